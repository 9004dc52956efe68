"""Files that are tables of anything, not logs of calls: read whole, column by column."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from monitor.errors import InputError
from monitor.files import LogFile
from monitor.files.fields import ALIASES
from monitor.files.log_file import delimiter_of
from monitor.ingest.call_record import KNOWN

_ROWS_LOOKED_AT = 20


def is_table(log: LogFile) -> bool:
    """True where none of the first rows has a field of the call record, under any of its names."""
    found = [row.raw for row in islice(log.rows(), _ROWS_LOOKED_AT) if isinstance(row.raw, Mapping)]
    names = {str(name).lower().partition(".")[0] for row in found for name in row}
    return bool(names) and not any(ALIASES.get(name, name) in KNOWN for name in names)


def read_columns(log: LogFile) -> dict[str, Any]:
    """Each column as an array: numbers as float64 with NaN where missing, all else as objects.

    Raises InputError where the file is not a table of its format.
    """
    import pyarrow
    import pyarrow.csv
    import pyarrow.json
    import pyarrow.parquet

    with _opened(log.path) as file:
        try:
            if log.format == "parquet":
                table = pyarrow.parquet.read_table(file)
            elif log.format == "csv":
                with _opened(log.path) as start:
                    delimiter = delimiter_of(start.readline())
                table = pyarrow.csv.read_csv(file, parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter))
            else:
                table = pyarrow.json.read_json(file)
        except (pyarrow.ArrowException, OSError, EOFError, ValueError) as error:
            raise InputError(f"{log.path}: cannot be read as a table: {type(error).__name__}.") from None
    return {name: _array(table.column(name)) for name in table.column_names}


def _opened(path: Path) -> Any:
    return gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")


def _array(column: Any) -> Any:
    import numpy as np
    import pyarrow

    kind = column.type
    if pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind):
        return column.cast(pyarrow.float64(), safe=False).to_numpy()
    if pyarrow.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
    found = np.empty(len(column), dtype=object)
    found[:] = [item if item is None or isinstance(item, str) else str(item) for item in column.to_pylist()]
    return found
