"""Trains the model of injection and jailbreaks: `python -m tests.training.injection` writes it and prints its figures.

Training rows stand in tests/training/data/injection.jsonl.xz and rows for checking in tests/data/injection.jsonl.xz
(text, label, family, source; NOTICE beside both tells origin and licence). Jailbreak behaviours, in-the-wild prompts
and role prompts were divided before anything was fitted, and what shares more than 30% of its sequences of six words
with a row for checking was left out of training. Harmless tasks are made anew (`instructions`). With `--families` each
family of attacks is also left out in turn.
"""

from __future__ import annotations

import gzip
import json
import lzma
import math
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from monitor.text.injection import THRESHOLD, injection_measures, score_with
from monitor.text.linear_model import LinearModel
from monitor.text.patterns import plain
from tests.quality.measures import auc
from tests.training.instructions import made_tasks
from tests.training.linear import save, train

HERE = Path(__file__).parent
MODEL = HERE.parent.parent / "monitor" / "text" / "models" / "injection.npz"
BENIGN_WEIGHT = 1.5
STRENGTH = 60.0
TASKS = 1500
FAMILIES = (
    ("PAIR",),
    ("GCG", "DSN", "suffix", "random search"),
    ("JBC",),
    ("random search",),
    ("in the wild", "templates"),
)

Row = dict[str, Any]


def rows(path: Path) -> list[Row]:
    """The rows of a packaged sample."""
    with lzma.open(path, "rt", encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


def harmless() -> list[Row]:
    """Tasks made from phrases and answers of tests/training/data/chats.jsonl.gz, and the near misses of manuals.txt."""
    with gzip.open(HERE / "data" / "chats.jsonl.gz", "rt", encoding="utf-8") as stream:
        texts = [
            text for line in stream for text in json.loads(line).values() if isinstance(text, str) and len(text) > 80
        ]
    made = [("made tasks", text) for text in made_tasks(texts, random.Random(3), TASKS)]
    misses = (HERE / "data" / "manuals.txt").read_text(encoding="utf-8").splitlines()
    made += [("near misses", text) for text in misses]
    return [{"text": text, "label": 0, "family": family, "source": "own"} for family, text in made]


def balanced(data: Sequence[Row]) -> list[float]:
    """Weights by which each family of a label counts as the root of its size, and harmless rows 1.5 times in all."""
    sizes = Counter((row["label"], row["family"]) for row in data)
    weights = [1 / math.sqrt(sizes[row["label"], row["family"]]) for row in data]
    totals: dict[int, float] = defaultdict(float)
    for row, weight in zip(data, weights, strict=True):
        totals[row["label"]] += weight
    factors = {0: 1000 * BENIGN_WEIGHT / totals[0], 1: 1000 / totals[1]}
    return [weight * factors[row["label"]] for row, weight in zip(data, weights, strict=True)]


def fit(data: Sequence[Row]) -> LinearModel:
    """A model of these rows."""
    lowered = [plain(row["text"]) for row in data]
    measures = [injection_measures(row["text"], text) for row, text in zip(data, lowered, strict=True)]
    return train(lowered, [row["label"] for row in data], measures, balanced(data), strength=STRENGTH)


def without(data: Iterable[Row], held: Sequence[Row]) -> list[Row]:
    """The rows that share no more than 30% of their sequences of six words with any held-out row."""
    known: dict[tuple[str, ...], set[int]] = defaultdict(set)
    shingles = [_shingles(row["text"]) for row in held]
    for index, one in enumerate(shingles):
        for shingle in one:
            known[shingle].add(index)
    kept = []
    for row in data:
        own = _shingles(row["text"])
        shared = Counter(index for shingle in own & known.keys() for index in known[shingle])
        if not shared or all(n <= 0.3 * min(len(own), len(shingles[index])) for index, n in shared.items()):
            kept.append(row)
    return kept


def _shingles(text: str) -> set[tuple[str, ...]]:
    words = plain(text).split()
    return {tuple(words[start : start + 6]) for start in range(max(1, len(words) - 5))}


def told(name: str, model: LinearModel, held: Sequence[Row], benign: Sequence[Row]) -> str:
    """AUC and shares at the threshold, in words."""
    attacks = [score_with(model, row["text"]) for row in held]
    others = [score_with(model, row["text"]) for row in benign]
    area = auc([(value, True) for value in attacks] + [(value, False) for value in others])
    recall = sum(value >= THRESHOLD for value in attacks) / len(attacks)
    alarms = sum(value >= THRESHOLD for value in others) / len(others)
    return f"{name}: n {len(attacks)} + {len(benign)}, AUC {area:.3f}, recall {recall:.3f}, false alarms {alarms:.4f}"


def main() -> None:
    """Trains, writes the packaged model and prints figures on rows that were held out."""
    training = rows(HERE / "data" / "injection.jsonl.xz") + harmless()
    checking = rows(HERE.parent / "data" / "injection.jsonl.xz")
    model = fit(training)
    save(model, MODEL)
    benign = [row for row in checking if not row["label"]]
    print(told("all", model, [row for row in checking if row["label"]], benign))  # noqa: T201
    if "--families" in sys.argv:
        for family in FAMILIES:
            held = [row for row in training + checking if row["label"] and row["family"] in family]
            rest = [row for row in training if not row["label"]]
            others = [row for row in training if row["label"] and row["family"] not in family]
            print(told(" + ".join(family), fit(without(others, held) + rest), held, benign))  # noqa: T201


if __name__ == "__main__":
    main()
