"""Trains the models of harmful prompts: `python -m tests.training.harm` writes them and prints figures.

One model tells harmful prompts from harmless ones, and one for each category tells it from the others. Harmful rows
stand in tests/training/data/harm.jsonl.xz, those for checking in tests/data/harm.jsonl.xz; harmless ones are those of
the model of injection.
"""

from __future__ import annotations

from collections import Counter

from monitor.text.harm import CATEGORIES, harm_category
from monitor.text.linear_model import LinearModel
from monitor.text.patterns import plain
from tests.training.injection import HERE, MODEL, Row, rows
from tests.training.linear import save, train

STRENGTH = 60.0


def fit(data: list[Row], category: str) -> LinearModel:
    """A model of one category against all else; of "any" for harmful against harmless."""
    wanted = [row["category"] != "none" if category == "any" else row["category"] == category for row in data]
    share = sum(wanted) / len(wanted)
    weights = [0.5 / share if one else 0.5 / (1 - share) for one in wanted]
    return train(
        [plain(row["text"]) for row in data], list(map(int, wanted)), [()] * len(data), weights, strength=STRENGTH
    )


def main() -> None:
    """Trains, writes the packaged models and prints recall by category and false alarms."""
    harmful, harmless = rows(HERE / "data" / "harm.jsonl.xz"), rows(HERE / "data" / "injection.jsonl.xz")
    none = [{"text": row["text"], "category": "none"} for row in harmless if not row["label"]]
    save(fit(harmful + none, "any"), MODEL.with_name("harm.npz"))
    named = [row for row in harmful if row["category"] != "none"]
    for category in CATEGORIES:
        save(fit(named, category), MODEL.with_name(f"harm_{category}.npz"))
    told = Counter(
        (row["category"], harm_category(row["text"])) for row in rows(HERE.parent / "data" / "harm.jsonl.xz")
    )
    for category in CATEGORIES:
        n = sum(count for (true, _), count in told.items() if true == category)
        found = sum(count for (true, said), count in told.items() if true == category and said != "none")
        print(category, n, f"found {found / n:.3f}, as such {told[category, category] / n:.3f}")  # noqa: T201
    benign = [row["text"] for row in rows(HERE.parent / "data" / "injection.jsonl.xz") if not row["label"]]
    print("false alarms", sum(harm_category(text) != "none" for text in benign) / len(benign))  # noqa: T201


if __name__ == "__main__":
    main()
