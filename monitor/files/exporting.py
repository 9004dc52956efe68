"""Writing records to a file or to stdout: JSON Lines, CSV or Parquet, in constant memory and a fixed order of columns.

A file appears under its name when it is complete: until then it is a hidden one beside it.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any, cast

import msgspec

from monitor.errors import InputError
from monitor.files.export_records import ColumnType
from monitor.files.guard import guarded
from monitor.ingest.values import to_json

FORMATS = ("jsonl", "csv", "parquet")
PARQUET_ROWS = 2_000
_FLUSHED_ROWS = 500

Record = Mapping[str, Any]
Columns = Mapping[str, ColumnType]
Told = Callable[[int], None]

_encode = msgspec.json.Encoder(enc_hook=str).encode


def format_of(path: Path | None, given: str | None, *, packed: bool) -> str:
    """The format that is given, or that the name of a file tells; JSON Lines otherwise. Raises InputError."""
    chosen = given
    if chosen is None and path is not None:
        suffixes = [suffix.lower().lstrip(".") for suffix in path.suffixes if suffix.lower() != ".gz"]
        chosen = suffixes[-1] if suffixes and suffixes[-1] in FORMATS else None
    chosen = chosen or "jsonl"
    if chosen == "parquet" and path is None:
        raise InputError("Parquet cannot be written to stdout: name a file with --out.")
    if chosen == "parquet" and packed:
        raise InputError("Parquet is compressed by itself; leave out --gzip.")
    return chosen


def write_records(stream: IO[bytes], records: Iterable[Record], columns: Columns, format_: str, told: Told) -> int:
    """Writes the records; answers how many they were. `told` is called with the number so far."""
    writers = {"jsonl": _write_json_lines, "csv": _write_csv, "parquet": _write_parquet}
    return writers[format_](stream, _counted(records, told), columns)


@contextmanager
def target(path: Path | None, stdout: IO[bytes], *, packed: bool) -> Iterator[IO[bytes]]:
    """Where to write to. A file is renamed to its name at the end of the block, and removed if the block raises.

    It holds people's texts, so that only its owner may read it. Raises InputError where it cannot be written.
    """
    if path is None:
        with _packed(stdout, packed) as stream:
            yield stream
        stdout.flush()
        return
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}.") from None
    try:
        with os.fdopen(handle, "wb") as file:
            with _packed(file, packed) as stream:
                yield stream
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}.") from None
    finally:
        Path(name).unlink(missing_ok=True)


@contextmanager
def _packed(stream: IO[bytes], packed: bool) -> Iterator[IO[bytes]]:
    if not packed:
        yield stream
        return
    # Without a name and a time in it, the same records give the same file.
    with gzip.GzipFile(filename="", fileobj=stream, mode="wb", compresslevel=6, mtime=0) as zipped:
        yield cast("IO[bytes]", zipped)


def _counted(records: Iterable[Record], told: Told) -> Iterator[Record]:
    count = 0
    for record in records:
        yield record
        count += 1
        if count % _FLUSHED_ROWS == 0:
            told(count)
    told(count)


def _write_json_lines(stream: IO[bytes], records: Iterable[Record], columns: Columns) -> int:  # noqa: ARG001
    count = 0
    for record in records:
        stream.write(_encode({name: _json_value(value) for name, value in record.items()}) + b"\n")
        count += 1
    return count


def _json_value(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _write_csv(stream: IO[bytes], records: Iterable[Record], columns: Columns) -> int:
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="", write_through=False)
    writer = csv.writer(text)
    writer.writerow(columns)
    count = 0
    for record in records:
        writer.writerow(_cell(name, record.get(name), kind) for name, kind in columns.items())
        count += 1
    text.flush()
    text.detach()
    return count


def _cell(name: str, value: Any, kind: ColumnType) -> Any:
    value = _text_value(name, value, kind)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list):
        return to_json(value)
    return guarded(value) if kind == "text" and isinstance(value, str) else value


def _text_value(name: str, value: Any, kind: ColumnType) -> Any:
    """A value for a table: what has a structure becomes JSON; an answer that is JSON by itself becomes a message."""
    if name == "response" and isinstance(value, str) and value.startswith(("[", "{")):
        value = [{"role": "assistant", "content": value}]
    if value is not None and (kind == "json" or (kind == "text" and not isinstance(value, str))):
        return value if isinstance(value, str) and kind == "text" else to_json(_dated(value))
    return value


def _dated(value: Any) -> Any:
    """The value with times as ISO 8601, at any depth that records have."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {name: _dated(item) for name, item in value.items()}
    return [_dated(item) for item in value] if isinstance(value, list) else value


def _write_parquet(stream: IO[bytes], records: Iterable[Record], columns: Columns) -> int:
    import pyarrow
    import pyarrow.parquet

    types = {
        "text": pyarrow.string(),
        "json": pyarrow.string(),
        "texts": pyarrow.list_(pyarrow.string()),
        "time": pyarrow.timestamp("us", tz="UTC"),
        "number": pyarrow.float64(),
        "whole": pyarrow.int64(),
    }
    schema = pyarrow.schema([(name, types[kind]) for name, kind in columns.items()])
    count = 0
    with ExitStack() as stack:
        writer = stack.enter_context(pyarrow.parquet.ParquetWriter(stream, schema, compression="zstd"))
        rows: list[dict[str, Any]] = []
        for record in records:
            rows.append({name: _text_value(name, record.get(name), kind) for name, kind in columns.items()})
            count += 1
            if len(rows) == PARQUET_ROWS:
                writer.write_table(pyarrow.Table.from_pylist(rows, schema))
                rows = []
        if rows:
            writer.write_table(pyarrow.Table.from_pylist(rows, schema))
    return count
