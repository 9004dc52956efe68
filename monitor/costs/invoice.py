"""A provider's invoice held against what was logged, by model and day.

Shapes that are known by their columns: OpenAI's cost export (`start_time_iso` or `date`, `line_item`, `amount_value`),
OpenAI's usage export (`timestamp` or `start_time_iso`, `model`, tokens and costs), Anthropic's cost export
(`usage_date_utc`, `model`, `cost_usd`). Anything else is told with a mapping of `day`, `model` and `cost`.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

from monitor.errors import InputError
from monitor.files.log_file import delimiter_of
from monitor.model_names import model_family

FIELDS = ("day", "model", "cost")
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "day": ("start_time_iso", "start_time", "date", "usage_date_utc", "usage_date", "day", "timestamp"),
    "model": ("model", "model_version", "line_item", "model_name", "sku", "description"),
    "cost": ("amount_value", "cost_usd", "cost", "amount", "total_cost", "price", "spend"),
}
_CENT = 0.01
_MANY_CACHED = 0.1
_DATE = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})")
# OpenAI's line items name the model before what was counted: "gpt-4o-2024-08-06, cached input".
_LINE_ITEM = re.compile(r"\s*(?:,|\bAPI usage\b|\bUsage\b).*\Z")

Reason = Literal["", "not logged", "not on the invoice", "no price", "cached tokens", "gap"]
"""What most likely explains a difference; "cached tokens": many of the input tokens were read from the provider's
cache, so that the two sides may count or price them differently."""


@dataclass(frozen=True)
class Charge:
    """One line of an invoice: a day (as the provider counts days, UTC), a model and US dollars."""

    day: date
    model: str
    cost: float


@dataclass(frozen=True)
class Logged:
    """What the store has of a model on a day: US dollars, calls, calls without a known price, and the mean share of
    input tokens that were read from the provider's cache."""

    cost: float
    calls: int
    unpriced: int
    cached_share: float = 0.0


@dataclass(frozen=True)
class Line:
    """A model on a day, on both sides, in US dollars. `reason` is what most likely explains the difference."""

    day: date
    model: str
    invoiced: float | None
    logged: float | None
    calls: int
    reason: Reason

    @property
    def difference(self) -> float:
        """Invoice less what was logged."""
        return (self.invoiced or 0.0) - (self.logged or 0.0)


def read_invoice(path: Path, mapping: Mapping[str, str] | None = None) -> list[Charge]:
    """The charges of a CSV file, models by family. Raises InputError with the line of a row that cannot be read."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            delimiter = delimiter_of(file.readline().encode())
            file.seek(0)
            reader = csv.DictReader(file, delimiter=delimiter)
            columns = _columns(path, [name for name in reader.fieldnames or () if name], mapping or {})
            charges = [_charge(path, reader.line_num, row, columns) for row in reader]
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}.") from None
    except (UnicodeDecodeError, csv.Error):
        raise InputError(f"{path}: is not CSV in UTF-8.") from None
    found = [charge for charge in charges if charge is not None]
    if not found:
        raise InputError(f"{path}: has no charge in it.")
    return found


def _columns(path: Path, names: Sequence[str], mapping: Mapping[str, str]) -> dict[str, str]:
    unknown = set(mapping) - set(FIELDS)
    if unknown:
        raise InputError(f"--map: {', '.join(sorted(unknown))} is none of {', '.join(FIELDS)}.")
    known = {name.strip().lower(): name for name in names}
    found: dict[str, str] = {}
    for field in FIELDS:
        if field in mapping:
            if mapping[field] not in names:
                raise InputError(f"{path}: has no column {mapping[field]!r}; there are {', '.join(names)}.")
            found[field] = mapping[field]
            continue
        column = next((known[name] for name in _COLUMNS[field] if name in known), None)
        if column is None:
            raise InputError(
                f"{path}: no column for {field}; say which with --map {field}=COLUMN. There are {', '.join(names)}."
            )
        found[field] = column
    return found


def _charge(path: Path, line: int, row: Mapping[str, str | None], columns: Mapping[str, str]) -> Charge | None:
    cost, day, model = ((row.get(columns[field]) or "").strip() for field in ("cost", "day", "model"))
    if not cost and not day:
        return None
    try:
        amount = float(cost.replace("$", "").replace(" ", "").replace(",", "") or 0)
    except ValueError:
        raise InputError(f"{path}:{line}: {columns['cost']} is no amount.") from None
    return Charge(_day(path, line, columns["day"], day), normal_model(_LINE_ITEM.sub("", model)), amount)


def _day(path: Path, line: int, column: str, text: str) -> date:
    if text.isdigit() and len(text) >= 10:
        return datetime.fromtimestamp(int(text[:10]), UTC).date()
    found = _DATE.match(text)
    if found:
        try:
            return date(*map(int, found.groups()))
        except ValueError:
            pass
    raise InputError(f"{path}:{line}: {column} is no day such as 2026-03-31.")


def normal_model(name: str) -> str:
    """The family of a model in lower case, without a provider in front: what both sides can be compared by."""
    return model_family(name.strip().lower().rpartition("/")[2]) or "(no model)"


def reconcile(charges: Iterable[Charge], logged: Mapping[tuple[date, str], Logged], tolerance: float) -> list[Line]:
    """Both sides by day and model, largest difference first.

    Differences of at most `tolerance` (a share of the invoice) and a cent have no reason.
    """
    invoiced: dict[tuple[date, str], float] = defaultdict(float)
    for charge in charges:
        invoiced[charge.day, charge.model] += charge.cost
    days = {day for day, _ in invoiced}
    lines = []
    for key in sorted({*invoiced, *(key for key in logged if key[0] in days)}):
        ours = logged.get(key)
        theirs = invoiced.get(key)
        lines.append(
            Line(
                day=key[0],
                model=key[1],
                invoiced=theirs,
                logged=ours.cost if ours else None,
                calls=ours.calls if ours else 0,
                reason=_reason(theirs, ours, tolerance),
            )
        )
    return sorted(lines, key=lambda line: (-abs(line.difference), line.day, line.model))


def _reason(invoiced: float | None, logged: Logged | None, tolerance: float) -> Reason:
    theirs, ours = invoiced or 0.0, logged.cost if logged else 0.0
    if abs(theirs - ours) <= max(tolerance * max(theirs, ours), _CENT):
        return ""
    if logged is None or not logged.calls:
        return "not logged"
    if theirs > ours and logged.unpriced:
        return "no price"
    if invoiced is None:
        return "not on the invoice"
    return "cached tokens" if logged.cached_share >= _MANY_CACHED else "gap"
