"""Logs of calls in files: JSON (Lines, or one array), CSV and Parquet, each also compressed with gzip.

Files are streamed: memory does not grow with their size (a gzipped Parquet file, which cannot be streamed, is unpacked
to a temporary file first). Each row comes with the number of the line it begins on (of a Parquet file and of a JSON
array: its place, counted from 1), as the call record it means, or with what is wrong with it. Nothing is ever left out
without a word: a column that is no field of the call record stays in it and becomes a tag.
"""

from monitor.files.log_file import LogFile, Row

__all__ = ["LogFile", "Row"]
