"""A file of calls, read as a stream in two steps: pieces as they stand in the file, and the rows that they mean.

Cutting a file into pieces is cheap and goes in order; reading them is what costs, and may be done by several processes.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol, cast

import msgspec

from monitor.errors import InputError
from monitor.files.fields import ALIASES, NUMBERS, as_call_record
from monitor.files.json_array import ElementTooLong, elements

MAX_LINE_BYTES = 64 * 1024 * 1024
PARQUET_ROWS = 500
_LOOKED_AT = 64 * 1024

FORMATS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
}
_DECIMAL_COMMA = re.compile(r"\s*[-+]?(?:\d+|\d{1,3}(?:\.\d{3})+),\d+\s*\Z")
_decode = msgspec.json.Decoder().decode


class Convert(Protocol):
    """Makes a call record of a row; with `cells` all values are texts, as in CSV."""

    def __call__(self, row: Mapping[str, Any], *, cells: bool = False) -> dict[str, Any]: ...


class Piece(NamedTuple):
    """A row as it stands in the file: a JSON text, the cells of CSV with their columns, or a row of Parquet.

    `problem` where it cannot be cut out as it should; then `content` is what there is of it.
    """

    line: int
    content: Any
    problem: str = ""


class Cells(NamedTuple):
    """A row of CSV."""

    columns: tuple[str, ...]
    cells: list[str]
    decimal_comma: bool


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

    def rows(self, convert: Convert = as_call_record) -> Iterator[Row]:
        """The rows in order. What cannot be read at all ends the file with a row that says so."""
        for piece in self.pieces():
            yield read_piece(piece, convert)

    def pieces(self) -> Iterator[Piece]:
        """The rows as they stand in the file, in order; the last one says where the rest cannot be read."""
        cutters: dict[str, Callable[[IO[bytes]], Iterator[Piece]]] = {
            "jsonl": self._json,
            "csv": self._csv,
            "parquet": self._parquet,
        }
        line = 0
        try:
            with self.path.open("rb") as self._file:
                for piece in cutters[self.format](self._file):
                    line = piece.line
                    yield piece
        except (EOFError, gzip.BadGzipFile, zlib.error):
            yield Piece(line + 1, None, "The compressed data ends or breaks off here; the rest cannot be read.")
        except OSError as error:
            yield Piece(line + 1, None, f"The file cannot be read: {error.strerror or type(error).__name__}.")

    def _stream(self, file: IO[bytes]) -> IO[bytes]:
        return cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if self._packed else file

    def _json(self, file: IO[bytes]) -> Iterator[Piece]:
        """JSON Lines, or one array of objects over any number of lines."""
        stream = self._stream(file)
        first = stream.readline(_LOOKED_AT)
        begun = first.removeprefix(b"\xef\xbb\xbf").lstrip()
        while first and not begun:  # blank lines before the beginning
            first = stream.readline(_LOOKED_AT)
            begun = first.lstrip()
        # A line that is an array of its own among lines is a bad row, not a file that is an array.
        if begun.startswith(b"[") and (not begun.rstrip().endswith(b"]") or not stream.readline(_LOOKED_AT).strip()):
            stream.seek(0)
            number = 0
            try:
                for text in elements(stream, _up_to_bracket(stream), MAX_LINE_BYTES):
                    number += 1
                    yield Piece(number, text)
            except ElementTooLong:
                yield Piece(number + 1, None, f"The row is longer than {MAX_LINE_BYTES} bytes; the rest is not read.")
            return
        stream.seek(0)
        yield from self._json_lines(stream)

    def _json_lines(self, stream: IO[bytes]) -> Iterator[Piece]:
        number = 0
        while line := stream.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(line) > MAX_LINE_BYTES:
                while not line.endswith(b"\n") and (line := stream.readline(MAX_LINE_BYTES)):
                    pass
                yield Piece(number, None, f"The line is longer than {MAX_LINE_BYTES} bytes.")
            elif not line.isspace():
                yield Piece(number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)

    def _csv(self, file: IO[bytes]) -> Iterator[Piece]:
        csv.field_size_limit(MAX_LINE_BYTES)
        stream = self._stream(file)
        header = stream.readline(MAX_LINE_BYTES).removeprefix(b"\xef\xbb\xbf")
        delimiter = delimiter_of(header)
        lines = (line.decode("utf-8", "surrogateescape") for line in _chain(header, stream))
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        columns: tuple[str, ...] = ()
        while True:
            begins = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Piece(begins, None, f"Not valid CSV: {error}.")
                continue
            if not columns:
                columns = tuple(cell.strip() for cell in cells)
            elif any(cells):
                yield Piece(begins, Cells(columns, cells, delimiter == ";"))

    def _parquet(self, file: IO[bytes]) -> Iterator[Piece]:
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
                        yield Piece(number, {name: _plain(value) for name, value in record.items()})
            except (pyarrow.ArrowException, ValueError):
                yield Piece(number + 1, None, "This is not, or no longer, a valid Parquet file.")


def read_piece(piece: Piece, convert: Convert = as_call_record) -> Row:
    """The row that a piece of a file means."""
    if piece.problem:
        return Row(piece.line, None, piece.problem, piece.content)
    try:
        if isinstance(piece.content, bytes):
            return _json_row(piece.line, piece.content, convert)
        if isinstance(piece.content, Cells):
            return _csv_row(piece.line, piece.content, convert)
        return Row(piece.line, convert(piece.content), raw=piece.content)
    except (TypeError, ValueError, AttributeError, LookupError):
        # Rules and presets meet rows of every shape; one that they cannot read must not end the import.
        raw = piece.content.decode("utf-8", "replace") if isinstance(piece.content, bytes) else piece.content
        return Row(piece.line, None, "The row does not have the shape that its columns promise.", raw)


def fingerprint(piece: Piece) -> bytes:
    """Bytes that differ wherever two pieces do."""
    content = piece.content
    if isinstance(content, Cells):
        content = "\x1f".join(content.cells).encode("utf-8", "surrogatepass")
    elif not isinstance(content, bytes):
        content = json.dumps(content, sort_keys=True, default=str).encode()
    return b"%d %d %s" % (piece.line, len(content), content)


def _json_row(number: int, line: bytes, convert: Convert) -> Row:
    try:
        value = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        try:  # what Python writes outside of the standard, and the place where the rest is broken
            value = json.loads(line)
        except UnicodeDecodeError:
            return Row(number, None, "The line is not UTF-8.", line.decode("utf-8", "replace"))
        except (ValueError, RecursionError) as error:
            where = f" at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else ""
            return Row(number, None, f"Not valid JSON{where}.", line.decode("utf-8", "replace").rstrip("\r\n"))
    if not isinstance(value, dict):
        return Row(number, None, "Not a JSON object.", value)
    return Row(number, convert(value), raw=value)


def _csv_row(number: int, piece: Cells, convert: Convert) -> Row:
    columns, cells, decimal_comma = piece
    if len(cells) != len(columns):
        return Row(number, None, f"{len(cells)} cells where the first line names {len(columns)} columns.", cells)
    row = dict(zip(columns, cells, strict=True))
    if any("\udc80" <= character <= "\udcff" for cell in cells if not cell.isascii() for character in cell):
        replaced = {
            name: cell.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for name, cell in row.items()
        }
        return Row(number, None, "The row is not UTF-8.", replaced)
    values = {name: _point(name, cell) for name, cell in row.items()} if decimal_comma else row
    return Row(number, convert(values, cells=True), raw=row)


def _point(column: str, cell: str) -> str:
    """A number as it stands where columns are separated by semicolons, "1.234,5", with a decimal point instead."""
    name = column.lower()
    if (ALIASES.get(name, name) in NUMBERS or name.startswith("feedback.")) and _DECIMAL_COMMA.match(cell):
        return cell.replace(".", "").replace(",", ".")
    return cell


def _up_to_bracket(stream: IO[bytes]) -> bytes:
    read = bytearray()
    while not read.endswith(b"["):
        read += stream.read(1)
    return bytes(read)


def _chain(first: bytes, rest: IO[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def delimiter_of(header: bytes) -> str:
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
