"""Figures on data from elsewhere: a folder of files named after signals (docs/quality.md describes their rows)."""

from __future__ import annotations

import gzip
import lzma
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import msgspec

from monitor.contracts import Kind, Signal, SignalValue
from monitor.enrich import enrichers
from monitor.errors import InputError
from monitor.records import Message, Span
from monitor.redaction import KINDS
from monitor.settings import Settings
from monitor.signals import registry
from tests.quality import Figure
from tests.quality.measures import auc, auc_within, bootstrap, share
from tests.quality.personal_data import span_figures
from tests.quality.sentiment import NEUTRAL, sign, weighted_f1

_TIME = datetime(2026, 1, 1, tzinfo=UTC)
_LEAST_PAIRS = 30
_ENDINGS = (".jsonl", ".jsonl.gz", ".jsonl.xz")
_RUNS = 100


def figures_of_folder(folder: Path) -> list[Figure]:
    """The figures of all files of a folder. Raises InputError where there are none, or a row cannot be read."""
    known = registry()
    files = sorted(path for path in folder.iterdir() if path.name.endswith(_ENDINGS)) if folder.is_dir() else []
    if not files:
        raise InputError(f"{folder}: has no files named SIGNAL.jsonl, .jsonl.gz or .jsonl.xz.")
    figures: list[Figure] = []
    for path in files:
        name = path.name.partition(".jsonl")[0]
        if name not in known:
            raise InputError(f"{path}: no signal is called {name}; see docs/signals.md.")
        figures += _figures(known[name], path.name, list(_rows(path)))
    return figures


def _open(path: Path) -> IO[bytes]:
    if path.name.endswith(".gz"):
        return gzip.open(path, "rb")
    return lzma.open(path, "rb") if path.name.endswith(".xz") else path.open("rb")


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with _open(path) as stream:
        for place, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                row = msgspec.json.decode(line, type=dict[str, Any])
            except msgspec.DecodeError:
                raise InputError(f"{path}:{place}: is not a JSON object.") from None
            if "spans" not in row and "label" not in row:
                raise InputError(f"{path}:{place}: has no label.")
            yield row


def _texts(value: Any) -> tuple[str, ...]:
    if value is None or value == "":
        return ()
    return tuple(map(str, value)) if isinstance(value, list) else (str(value),)


def _call(row: Mapping[str, Any], place: int) -> Span:
    prompt = str(row.get("prompt") or "")
    return Span(
        trace_id=f"{place:032x}",
        span_id=f"{place:016x}",
        time=_TIME,
        model=str(row.get("model") or ""),
        prompt=(Message("user", prompt),) if prompt else (),
        response=str(row.get("response") or ""),
        context=_texts(row.get("context")),
        reference=_texts(row.get("reference")),
    )


def _figures(signal: Signal, file: str, rows: Sequence[dict[str, Any]]) -> list[Figure]:
    if rows and "spans" in rows[0]:
        spans = {kind: kind for kind in KINDS}
        return span_figures(rows, spans, file)
    enricher = next(one for one in enrichers().values() if signal in one.signals)
    calls = [_call(row, place) for place, row in enumerate(rows)]
    values = [answer.get(signal.name) for answer in enricher.compute(calls, Settings())]
    clusters: dict[str, list[tuple[Any, Any, int]]] = defaultdict(list)
    for place, (row, value) in enumerate(zip(rows, values, strict=True)):
        if value is not None:
            words = len((str(row.get("response") or "") or str(row.get("prompt") or "")).split())
            clusters[str(row.get("prompt_id", place))].append((value, row["label"], words))
    found = [item for items in clusters.values() for item in items]
    left_out = len(rows) - len(found)
    note = f"{left_out} rows without a value left out" if left_out else ""
    if not found:
        return [Figure(signal.name, file, len(rows), "no row has a value", float("nan"), 0.0, 1.0, None, note)]
    if signal.kind is Kind.FLAG:
        return _flags(signal.name, file, [(value, bool(label)) for value, label, _ in found], note)
    if signal.kind is Kind.CATEGORY:
        right = sum(str(value) == str(label) for value, label, _ in found)
        return [Figure(signal.name, file, len(found), "right", *share(right, len(found)), None, note)]
    return _numbers(signal, file, clusters, note)


def _flags(name: str, file: str, judged: Sequence[tuple[SignalValue, bool]], note: str) -> list[Figure]:
    called = [label for value, label in judged if value]
    true = [bool(value) for value, label in judged if label]
    false = [bool(value) for value, label in judged if not label]
    return [
        Figure(name, file, len(said), measure, *share(sum(said), len(said)), None, note)
        for measure, said in (("precision", called), ("recall", true), ("false alarms", false))
        if said
    ]


def _numbers(
    signal: Signal, file: str, clusters: Mapping[str, Sequence[tuple[Any, Any, int]]], note: str
) -> list[Figure]:
    found = [item for items in clusters.values() for item in items]
    n = len(found)
    if {int(label) for _, label, _ in found} == {-1, 0, 1}:
        signs = {name: [(sign(value), int(label)) for value, label, _ in items] for name, items in clusters.items()}
        f1 = bootstrap(signs, weighted_f1, _RUNS)
        return [Figure(signal.name, file, n, "F1 of three signs", *f1, NEUTRAL, note)]
    pairs = {
        name: [(float(value), int(label) > 0, words) for value, label, words in items]
        for name, items in clusters.items()
    }
    area = bootstrap(pairs, lambda drawn: auc((value, label) for value, label, _ in drawn), _RUNS)
    figures = [Figure(signal.name, file, n, "AUC of label 1", *area, None, note)]
    _, bins = auc_within(item for items in pairs.values() for item in items)
    matched = sum(min(one, other) for _, one, other in bins.values())
    if matched >= _LEAST_PAIRS:
        area = bootstrap(pairs, lambda drawn: auc_within(drawn)[0], _RUNS)
        figures.append(Figure(signal.name, file, matched, "AUC of label 1, matched length", *area, None, note))
    return figures
