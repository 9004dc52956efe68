"""The file beside an imported one that keeps the rows that could not be taken, with their line and the reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TextIO

from monitor.errors import InputError


class Rejects:
    """Made when there is the first row to keep."""

    def __init__(self, path: Path, *, append: bool) -> None:
        self.path = path
        self._append = append
        self._file: TextIO | None = None

    def add(self, line: int, reason: str, raw: Any) -> None:
        """Keeps a row with its line and what is wrong with it. Raises InputError where it cannot be written."""
        try:
            if self._file is None:
                self._file = self.path.open("a" if self._append else "w", encoding="utf-8")
                # It holds people's texts as they were sent, unmasked.
                self.path.chmod(0o600)
            entry = {"line": line, "reason": reason, "row": raw}
            self._file.write(json.dumps(entry, ensure_ascii=True, default=str) + "\n")
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written: {error.strerror}.") from None

    def flush(self) -> None:
        """Hands what was added to the operating system."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Closes the file; an old one is removed where nothing was rejected."""
        if self._file is not None:
            self._file.close()
        elif not self._append:
            self.path.unlink(missing_ok=True)
