"""A mean from few human labels and many judged calls: the judge's error is measured on the labelled ones and taken off.

A judge model answers for every call but is wrong in its own way; people are right but few. The estimate is the judge's
mean over all calls plus what the people's answers differ from the judge's on the calls that both have seen. It is
unbiased whatever the judge is worth: a bad judge only makes the interval no narrower than that of the labels alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from monitor.errors import InputError
from monitor.profile import Floats
from monitor.stats.intervals import SHOWN_LEVEL, student_quantile

MIN_LABELS = 20


@dataclass(frozen=True)
class Corrected:
    """The corrected mean with its 95 % interval.

    `weight` is how much the judge counts (0 not at all, 1 fully); `judge` is the judge's own mean, `labels_only` the
    mean of the labels with `labels_low` and `labels_high`. `bias` is the mean of label less judge, with its interval:
    where it leaves out zero the judge is wrong on the whole.
    """

    value: float
    low: float
    high: float
    weight: float
    judge: float
    labels_only: float
    labels_low: float
    labels_high: float
    bias: float
    bias_low: float
    bias_high: float
    labelled: int
    judged: int

    @property
    def narrower(self) -> float:
        """By what part the interval is narrower than that of the labels alone: 0.2 is a fifth."""
        alone = self.labels_high - self.labels_low
        return 1 - (self.high - self.low) / alone if alone else 0.0


def corrected_mean(
    labels: Floats, judged_labelled: Floats, judged_rest: Floats, level: float = SHOWN_LEVEL
) -> Corrected:
    """The mean of what people would say of all calls, by prediction-powered inference, power-tuned.

    `labels` and `judged_labelled` are of the same n calls, in order, chosen at random among all; `judged_rest` holds
    the judge's N answers for the others. Values are flags (0 and 1), shares or scores.

    theta = l mean_N(f) + mean_n(y - l f), variance l^2 var(f) / N + var(y - l f) / n, with
    l = cov(y, f) / (var(f) (1 + n / N)) held between 0 and 1, which makes the variance least. Assumes that the labelled
    calls are a random part of all and independent (one a user). It misleads where people label what looks odd: the bias
    measured there is not that of the rest. For a judge of yes and no that agrees at kappa k with people in a balanced
    sample no method is narrower than the labels alone by more than 1 - sqrt(1 - k^2), a fifth at 0.6; graded scores
    carry more. Source: Angelopoulos et al., Science 382, 2023; power tuning: Angelopoulos, Duchi and Zrnic,
    arXiv:2311.01453.

    Raises InputError below 20 labels, or where the two rows of labelled calls differ in length.
    """
    y, f, rest = (np.asarray(values, dtype=np.float64) for values in (labels, judged_labelled, judged_rest))
    n, others = len(y), len(rest)
    if len(f) != n:
        raise InputError(f"{n} labels were given with {len(f)} answers of the judge on the same calls.")
    if n < MIN_LABELS:
        raise InputError(f"{n} labels are too few to correct a judge; {MIN_LABELS} are needed.")
    reach = student_quantile(level, n - 1)
    weight = _weight(y, f, rest) if others else 0.0
    difference = y - weight * f
    value = float(difference.mean() + weight * (rest.mean() if others else 0.0))
    # The weight was chosen on the same labels; one degree of freedom goes with it.
    degrees = n - 1 - (1 if weight else 0)
    variance = float(difference.var()) / degrees
    if others:
        variance += weight**2 * float(np.concatenate([f, rest]).var()) / others
    half = reach * math.sqrt(variance)
    alone = reach * math.sqrt(float(y.var(ddof=1)) / n)
    gap = y - f
    gap_reach = reach * math.sqrt(float(gap.var(ddof=1)) / n)
    return Corrected(
        value=value,
        low=value - half,
        high=value + half,
        weight=weight,
        judge=float(np.concatenate([f, rest]).mean()),
        labels_only=float(y.mean()),
        labels_low=float(y.mean()) - alone,
        labels_high=float(y.mean()) + alone,
        bias=float(gap.mean()),
        bias_low=float(gap.mean()) - gap_reach,
        bias_high=float(gap.mean()) + gap_reach,
        labelled=n,
        judged=n + others,
    )


def _weight(y: Floats, f: Floats, rest: Floats) -> float:
    spread = float(np.concatenate([f, rest]).var())
    if spread <= 0:
        return 0.0
    covariance = float(np.mean((y - y.mean()) * (f - f.mean())))
    return min(1.0, max(0.0, covariance / (spread * (1 + len(y) / len(rest)))))


def cohen_kappa(one: Floats, two: Floats) -> float:
    """Agreement beyond chance of two rows of categories (flags or codes): (p_o - p_e) / (1 - p_e).

    1 where both always say the same one thing. Misleads where one category is rare: it is then low although nearly all
    answers agree. Raises InputError for rows of different length or empty ones.
    Source: Cohen, Educational and Psychological Measurement 20, 1960.
    """
    a, b = np.asarray(one), np.asarray(two)
    if len(a) != len(b) or not len(a):
        raise InputError("Agreement needs two rows of the same length that are not empty.")
    values = np.union1d(a, b)
    observed = float(np.mean(a == b))
    expected = float(sum(np.mean(a == value) * np.mean(b == value) for value in values))
    return (observed - expected) / (1 - expected) if expected < 1 else 1.0
