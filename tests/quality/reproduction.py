"""Reproduction of protected and given texts: passages of real answers, planted in other answers."""

from __future__ import annotations

import random

from monitor.text.fingerprints import copied, read_fingerprints, registered, reproduced, words_of
from tests.quality import Figure
from tests.quality.measures import rows, share

PLANTED = "FeedbackQA answers with a planted passage of {} words"
OTHERS = "FeedbackQA answers about the same disease, nothing planted"
LENGTHS = (10, 20)


def report() -> list[Figure]:
    """Share of planted passages of which half the words or more are found, and of answers wrongly said to reproduce."""
    import tempfile
    from pathlib import Path

    texts = [text for text in dict.fromkeys(row["response"] for row in rows("feedbackqa")) if len(words_of(text)) > 60]
    protected, others = texts[::2], texts[1::2]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "protected.json")
        path.write_text(registered({str(place): text for place, text in enumerate(protected)}), encoding="utf-8")
        known = read_fingerprints(path)
    generator = random.Random(6)
    figures = []
    clean = [(text, reproduced(text, known) or 0.0) for text in others]
    # The same pages answer several questions, so that some answers do share passages.
    apart = [text for text, value in clean if value < 0.05]
    false = [value >= 0.3 for _, value in clean]
    for length in LENGTHS:
        found, given = [], []
        for text in apart:
            words = generator.choice(protected).split()
            start = generator.randrange(max(1, len(words) - length))
            passage = " ".join(words[start : start + length])
            answer = f"{text[:200]} {passage} {text[200:400]}"
            least = 0.5 * length / len(words_of(answer))
            found.append((reproduced(answer, known) or 0.0) >= least)
            given.append((copied(answer, [passage]) or 0.0) >= least)
        data = PLANTED.format(length)
        figures.append(Figure("protected_share", data, len(found), "recall", *share(sum(found), len(found))))
        figures.append(Figure("context_copied", data, len(given), "recall", *share(sum(given), len(given))))
    note = "some pages share whole passages, which is rightly found"
    figures.append(
        Figure("protected", OTHERS, len(false), "answers flagged", *share(sum(false), len(false)), 0.3, note)
    )
    return figures
