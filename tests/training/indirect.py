"""Trains the model of instructions planted in documents: `python -m tests.training.indirect` writes it.

Planted: phrases of `planted`, alone and beside an ordinary sentence. Ordinary: sentences of answers, articles, mails,
code and package descriptions (tests/training/data/documents.jsonl.xz and others; NOTICE beside them), and near misses
written for this project (manuals.txt: requests to people, letters, exam questions, texts about assistants). With
`--families` each way of planting is also left out in turn, and the share that is found all the same is printed.
"""

from __future__ import annotations

import gzip
import json
import math
import random
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from monitor.text.indirect import THRESHOLD, WITH_A_SIGN, is_indirect_injection, sentence_measures, windows
from monitor.text.linear_model import LinearModel, text_features
from monitor.text.patterns import plain
from tests.training.injection import rows
from tests.training.linear import save, train
from tests.training.planted import FAMILIES, planted

DATA = Path(__file__).parent / "data"
MODEL = DATA.parent.parent.parent / "monitor" / "text" / "models" / "indirect.npz"
STRENGTH = 20.0
ORDINARY_WEIGHT = 3.0
EACH = 12
_KINDS = frozenset(("documents", "code", "with context", "tweets", "tasks"))
_MISSES_EACH = 6


def ordinary(generator: random.Random) -> list[tuple[str, str]]:
    """Sort and text of sentences that ask no model for anything, alone and in pairs."""
    found: list[tuple[str, str]] = []
    with gzip.open(DATA / "chats.jsonl.gz", "rt", encoding="utf-8") as stream:
        for line in stream:
            texts = [value for value in json.loads(line).values() if isinstance(value, str)]
            found += [("answers", window) for text in texts for window in windows(text)]
    for row in rows(DATA / "injection.jsonl.xz"):
        if not row["label"] and (row["family"] in _KINDS or row["source"] == "FeedbackQA"):
            found += [(row["family"], window) for window in windows(row["text"])]
    for row in rows(DATA / "documents.jsonl.xz"):
        found += [("descriptions", window) for window in windows(row["text"])]
    misses = (DATA / "manuals.txt").read_text(encoding="utf-8").splitlines()
    others = [text for sort, text in found if sort == "answers"]
    for miss in misses:
        for _ in range(_MISSES_EACH):
            other = generator.choice([generator.choice(others), generator.choice(misses)])
            found.append(("near misses", generator.choice([miss, f"{miss} {other}", f"{other} {miss}"])))
    return found


def fit(families: Iterable[str], others: Sequence[tuple[str, str]]) -> LinearModel:
    """A model of these ways of planting, against these ordinary sentences."""
    generator = random.Random(1)
    attacks = [(family, text) for family in families for text in planted(family, generator, EACH)]
    sizes, sorts = Counter(family for family, _ in attacks), Counter(sort for sort, _ in others)
    neighbours = [text for sort, text in others if sort in ("answers", "with context", "documents")]
    texts, labels, weights = [], [], []
    for family, text in attacks:
        beside = generator.choice([f"{generator.choice(neighbours)} {text}", f"{text} {generator.choice(neighbours)}"])
        for one in (text, beside):
            texts.append(plain(one).replace("\n", " "))
            labels.append(1)
            weights.append(1000 / 2 / math.sqrt(sizes[family]))
    for sort, text in others:
        texts.append(plain(text))
        labels.append(0)
        weights.append(1000 * ORDINARY_WEIGHT / math.sqrt(sorts[sort]))
    totals = {
        label: sum(weight for weight, own in zip(weights, labels, strict=True) if own == label) for label in (0, 1)
    }
    scaled = [weight * 1000 * (1, 1 / ORDINARY_WEIGHT)[label] * ORDINARY_WEIGHT / totals[label]
              for weight, label in zip(weights, labels, strict=True)]  # fmt: skip
    return train(texts, labels, [sentence_measures(text) for text in texts], scaled, strength=STRENGTH)


def best(model: LinearModel, text: str) -> float:
    """The highest score of a sentence of a text."""
    features = [(text_features(window), sentence_measures(window)) for window in windows(plain(text))]
    return max((model.score(words, len(words), measures) for words, measures in features), default=0.0)


def main() -> None:
    """Trains and writes the packaged model; with `--families` prints what is found of ways that were left out."""
    others = ordinary(random.Random(2))
    save(fit(FAMILIES, others), MODEL)
    print(f"{len(others)} ordinary sentences; {is_indirect_injection.__name__} at {THRESHOLD}, {WITH_A_SIGN}")  # noqa: T201
    if "--families" not in sys.argv:
        return
    neighbours = [text for sort, text in others if sort in ("answers", "with context")]
    for family in FAMILIES:
        model = fit([other for other in FAMILIES if other != family], others)
        generator = random.Random(9)
        texts = [f"{generator.choice(neighbours)}\n{text}\n{generator.choice(neighbours)}"
                 for text in planted(family, generator, 3)]  # fmt: skip
        scores = [best(model, text) for text in texts]
        found = [sum(score >= limit for score in scores) / len(scores) for limit in (WITH_A_SIGN, THRESHOLD)]
        print(f"{family}: n {len(scores)}, {found[0]:.2f} at {WITH_A_SIGN}, {found[1]:.2f} at {THRESHOLD}")  # noqa: T201


if __name__ == "__main__":
    main()
