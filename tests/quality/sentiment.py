"""Sentiment of tweets, against twenty raters or more (Hutto and Gilbert 2014, MIT); VADER itself beside it."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.text.english import is_english
from monitor.text.sentiment import sentiment
from tests.quality import Figure
from tests.quality.measures import bootstrap, rows, share

DATA = "Tweets rated by people"
NEUTRAL = 0.05
"""Nearer to 0 than this is neither positive nor negative, for the scores and for the raters."""

Judged = tuple[int, int]
"""The sign that a score has, and the one that people gave."""


def sign(score: float) -> int:
    """1 positive, -1 negative, 0 neither."""
    return (score > NEUTRAL) - (score < -NEUTRAL)


def weighted_f1(judged: Sequence[Judged]) -> float:
    """F1 of each of the three signs, weighed by how often people gave it."""
    total = 0.0
    for wanted in (-1, 0, 1):
        hits = sum(one == wanted == other for one, other in judged)
        said, true = sum(one == wanted for one, _ in judged), sum(other == wanted for _, other in judged)
        total += true * 2 * hits / max(1, said + true)
    return total / max(1, len(judged))


def report() -> list[Figure]:
    """F1 over the three signs, and precision and recall of what is called negative."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    vader = SentimentIntensityAnalyzer()
    data = rows("sentiment_tweets")
    ours = {str(place): [(sign(sentiment(row["prompt"])), row["label"])] for place, row in enumerate(data)}
    plain = {
        str(place): [(sign(vader.polarity_scores(row["prompt"])["compound"]), row["label"])]
        for place, row in enumerate(data)
    }
    note = "misses irony, and feelings told without a word of feeling"
    figures = [
        Figure("sentiment", DATA, len(data), "F1 of three signs", *bootstrap(ours, weighted_f1, 40), NEUTRAL, note),
        Figure(
            "VADER", DATA, len(data), "F1 of three signs", *bootstrap(plain, weighted_f1, 40), NEUTRAL, "for comparison"
        ),
    ]
    for name, rating in (("positive", 1), ("negative", -1)):
        pairs = {
            place: [(1 if one == rating else 0, 1 if other == rating else 0) for one, other in judged]
            for place, judged in ours.items()
        }
        value = bootstrap(pairs, _f1, 40)
        figures.append(Figure("sentiment", DATA, len(data), f"F1 of {name}", *value, NEUTRAL))
    judged = sum(is_english(row["prompt"]) for row in data)
    figures.append(
        Figure("sentiment", DATA, len(data), "judged", *share(judged, len(data)), None, "others have no value")
    )
    return figures


def _f1(judged: Sequence[Judged]) -> float:
    hits = sum(one and other for one, other in judged)
    return 2 * hits / max(1, sum(one + other for one, other in judged))
