"""Wording in common with a reference, against the judgement of people (EVOUNA TriviaQA, Apache-2.0)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from monitor.text.correctness import variants
from monitor.text.overlap import bleu, chrf, contains, exact_match, rouge_l, token_f1
from tests.quality import Figure
from tests.quality.correctness import DATA
from tests.quality.measures import auc, bootstrap, rows, share

NUMBERS: dict[str, Callable[[str, Sequence[str]], float]] = {
    "token_f1": token_f1,
    "rouge_l": rouge_l,
    "bleu": bleu,
    "chrf": chrf,
}
FLAGS: dict[str, Callable[[str, Sequence[str]], bool]] = {"exact_match": exact_match, "reference_contained": contains}


def report() -> list[Figure]:
    """How well each measure tells right answers from wrong ones."""
    data = [(row["prompt_id"], row["response"], variants([row["reference"]])[:20], bool(row["label"]))
            for row in rows("evouna_tq")]  # fmt: skip
    figures = []
    for name, measure in NUMBERS.items():
        scored: dict[str, list[tuple[float, bool]]] = defaultdict(list)
        for question, answer, wanted, right in data:
            scored[question].append((measure(answer, wanted), right))
        note = "short references and answers in sentences: wording tells little"
        figures.append(Figure(name, DATA, len(data), "AUC", *bootstrap(scored, auc, 40), None, note))
    for name, says in FLAGS.items():
        judged = [(says(answer, wanted), right) for _, answer, wanted, right in data]
        called = [right for said, right in judged if said]
        correct = [said for said, right in judged if right]
        figures.append(Figure(name, DATA, len(called), "precision", *share(sum(called), len(called))))
        figures.append(Figure(name, DATA, len(correct), "recall", *share(sum(correct), len(correct))))
    return figures
