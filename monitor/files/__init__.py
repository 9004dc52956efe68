"""Reading logs of calls from files: JSON Lines, CSV and Parquet, each also compressed with gzip.

Files are streamed: memory does not grow with their size (a gzipped Parquet file, which cannot be streamed, is unpacked
to a temporary file first). Each row comes with the number of the line it begins on (of a Parquet file: its place,
counted from 1), as the call record it means, or with what is wrong with it. Nothing is ever left out without a word:
a column that is no field of the call record stays in it and becomes a tag.
"""

from __future__ import annotations

import csv
import gzip
import json
import math
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import IO, Any, cast

from monitor.errors import InputError
from monitor.ingest.call_record import KNOWN

MAX_LINE_BYTES = 64 * 1024 * 1024
PARQUET_ROWS = 500

FORMATS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
}
ALIASES = {
    "timestamp": "time",
    "question": "prompt",
    "input": "prompt",
    "messages": "prompt",
    "answer": "response",
    "output": "response",
    "completion": "response",
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "response_tokens": "output_tokens",
    "user": "user_id",
    "session": "session_id",
    "conversation_id": "session_id",
}
"""Column names that other tools use, and the field each means; the field's own name wins where both are there."""

STRUCTURED = frozenset({"prompt", "response", "context", "reference"})
"""Fields in which a text that looks like JSON is read as JSON, where all values are texts."""


NUMBERS = frozenset(
    {
        "latency_s",
        "time_to_first_token_s",
        "input_tokens",
        "output_tokens",
        "cached_input_tokens",
        "reasoning_tokens",
        "cost_usd",
    }
)
"""Fields that hold numbers."""
_DECIMAL_COMMA = re.compile(r"\s*[-+]?(?:\d+|\d{1,3}(?:\.\d{3})+),\d+\s*\Z")


@dataclass(frozen=True, slots=True)
class Row:
    """One row: a call record, or the `problem` with it in one sentence; `raw` is what stood in the file."""

    line: int
    record: dict[str, Any] | None
    problem: str = ""
    raw: Any = None


class LogFile:
    """A file of calls. Raises InputError where it is not there or its name does not tell the format."""

    def __init__(self, path: Path) -> None:
        suffixes = [suffix.lower() for suffix in path.suffixes]
        self.path = path
        self._packed = bool(suffixes) and suffixes[-1] == ".gz"
        suffix = (suffixes[:-1] if self._packed else suffixes)[-1:]
        self.format = FORMATS.get(suffix[0] if suffix else "", "")
        if not self.format:
            raise InputError(f"{path}: the name must end in {', '.join(FORMATS)}, or one of these with .gz.")
        if not path.is_file():
            raise InputError(f"{path}: there is no such file.")
        self.size = path.stat().st_size
        self._file: IO[bytes] | None = None
        self._share = 0.0

    @property
    def position(self) -> int:
        """How many of the file's `size` bytes have been read."""
        if self.format == "parquet":
            return int(self._share * self.size)
        return self._file.tell() if self._file is not None and not self._file.closed else self.size

    def rows(self) -> Iterator[Row]:
        """The rows in order. What cannot be read at all ends the file with a row that says so."""
        readers = {"jsonl": self._json_lines, "csv": self._csv, "parquet": self._parquet}
        line = 0
        try:
            with self.path.open("rb") as self._file:
                for row in readers[self.format](self._file):
                    line = row.line
                    yield row
        except (EOFError, gzip.BadGzipFile, zlib.error):
            yield Row(line + 1, None, "The compressed data ends or breaks off here; the rest cannot be read.")
        except OSError as error:
            yield Row(line + 1, None, f"The file cannot be read: {error.strerror or type(error).__name__}.")

    def _stream(self, file: IO[bytes]) -> IO[bytes]:
        return cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if self._packed else file

    def _json_lines(self, file: IO[bytes]) -> Iterator[Row]:
        stream = self._stream(file)
        number = 0
        while line := stream.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(line) > MAX_LINE_BYTES:
                while not line.endswith(b"\n") and (line := stream.readline(MAX_LINE_BYTES)):
                    pass
                yield Row(number, None, f"The line is longer than {MAX_LINE_BYTES} bytes.")
            elif line.strip():
                yield _json_row(number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)

    def _csv(self, file: IO[bytes]) -> Iterator[Row]:
        csv.field_size_limit(MAX_LINE_BYTES)
        stream = self._stream(file)
        header = stream.readline(MAX_LINE_BYTES).removeprefix(b"\xef\xbb\xbf")
        delimiter = _delimiter(header)
        lines = (line.decode("utf-8", "surrogateescape") for line in _chain(header, stream))
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        columns: list[str] = []
        while True:
            begins = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Row(begins, None, f"Not valid CSV: {error}.")
                continue
            if not columns:
                columns = [cell.strip() for cell in cells]
            elif any(cells):
                yield _csv_row(begins, columns, cells, decimal_comma=delimiter == ";")

    def _parquet(self, file: IO[bytes]) -> Iterator[Row]:
        import pyarrow
        import pyarrow.parquet

        with tempfile.TemporaryFile() as unpacked:
            if self._packed:
                shutil.copyfileobj(gzip.GzipFile(fileobj=file), unpacked)
                unpacked.seek(0)
            number = 0
            try:
                table = pyarrow.parquet.ParquetFile(unpacked if self._packed else file)
                total = max(table.metadata.num_rows, 1)
                for batch in table.iter_batches(batch_size=PARQUET_ROWS):
                    for record in batch.to_pylist(maps_as_pydicts="lossy"):
                        number += 1
                        self._share = number / total
                        plain = {name: _plain(value) for name, value in record.items()}
                        yield Row(number, as_call_record(plain), raw=plain)
            except (pyarrow.ArrowException, ValueError):
                yield Row(number + 1, None, "This is not, or no longer, a valid Parquet file.")


def as_call_record(row: Mapping[str, Any], *, cells: bool = False) -> dict[str, Any]:
    """A row as call record: other tools' names for fields are translated, absent values left out.

    Columns such as `tags.plan` and `feedback.thumb` become a tag and a feedback. With `cells` all values are texts, as
    in CSV: messages, documents and feedback may be written in JSON there.
    """
    record: dict[str, Any] = {}
    tags: dict[str, Any] = {}
    said: list[dict[str, Any]] = []
    present = {name.lower() for name, value in row.items() if not _absent(value, cells)}
    for name, value in row.items():
        if _absent(value, cells):
            continue
        lower = name.lower()
        field = ALIASES.get(lower, lower)
        prefix, _, rest = name.partition(".")
        if rest and prefix.lower() == "tags":
            tags[rest] = value
        elif rest and prefix.lower() == "feedback":
            said.append({"name": rest, "value": value})
        elif field in KNOWN and (field == lower or field not in present) and field not in record:
            record[field] = _cell(field, value) if cells else value
        else:
            record[name] = value
    if tags:
        given = record.get("tags")
        record["tags"] = {**(given if isinstance(given, Mapping) else {}), **tags}
    given_feedback = record.get("feedback")
    if given_feedback is not None and not isinstance(given_feedback, (list, Mapping)):
        given_feedback = [{"name": "feedback", "value": given_feedback}]
    if isinstance(given_feedback, Mapping):
        given_feedback = [given_feedback]
    if given_feedback or said:
        record["feedback"] = [*(given_feedback or ()), *said]
    return record


def _absent(value: Any, cells: bool) -> bool:
    return value is None or (cells and value == "") or (isinstance(value, float) and math.isnan(value))


def _cell(field: str, text: str) -> Any:
    if field == "feedback" or (field in STRUCTURED and text[:1] in {"[", "{"}):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _json_row(number: int, line: bytes) -> Row:
    try:
        value = json.loads(line)
    except UnicodeDecodeError:
        return Row(number, None, "The line is not UTF-8.", line.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        where = f" at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else ""
        return Row(number, None, f"Not valid JSON{where}.", line.decode("utf-8", "replace").rstrip("\r\n"))
    if not isinstance(value, dict):
        return Row(number, None, "Not a JSON object.", value)
    return Row(number, as_call_record(value), raw=value)


def _csv_row(number: int, columns: list[str], cells: list[str], *, decimal_comma: bool) -> Row:
    if len(cells) != len(columns):
        return Row(number, None, f"{len(cells)} cells where the first line names {len(columns)} columns.", cells)
    row = dict(zip(columns, cells, strict=True))
    if any("\udc80" <= character <= "\udcff" for cell in cells if not cell.isascii() for character in cell):
        replaced = {
            name: cell.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for name, cell in row.items()
        }
        return Row(number, None, "The row is not UTF-8.", replaced)
    values = {name: _point(name, cell) for name, cell in row.items()} if decimal_comma else row
    return Row(number, as_call_record(values, cells=True), raw=row)


def _point(column: str, cell: str) -> str:
    """A number as it stands where columns are separated by semicolons, "1.234,5", with a decimal point instead."""
    name = column.lower()
    if (ALIASES.get(name, name) in NUMBERS or name.startswith("feedback.")) and _DECIMAL_COMMA.match(cell):
        return cell.replace(".", "").replace(",", ".")
    return cell


def _chain(first: bytes, rest: IO[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _delimiter(header: bytes) -> str:
    """What separates the columns: the most frequent of comma, semicolon and tab in the first line."""
    return max((",", ";", "\t"), key=lambda candidate: header.count(candidate.encode()))


def _plain(value: Any) -> Any:
    """A value of a Parquet file as JSON knows it."""
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, (str, int, float)) else str(value)
