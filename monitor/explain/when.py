"""In which block a change began, and which other blocks it could have been.

Model: block values y_b with weights w_b, one mean before split k and another from k on, normal errors with variance
s2 / w_b. With a flat prior over the splits and s2 profiled out, the likelihood of a split is (RSS_k)^(-n/2) over the n
effective blocks; n is lowered by the correlation of neighbours, (1 - r) / (1 + r). The interval is the smallest set
of splits that holds 95 % of the posterior, filled up to a range. Sources: Smith, Biometrika 62, 1975; Hinkley,
Biometrika 57, 1970. It misleads for a slow change, which has no such block and gets a wide interval around its middle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.profile import Floats

COVERAGE = 0.95
MAX_CORRELATION = 0.8


@dataclass(frozen=True)
class Onset:
    """Indices of the first block after the change: the most likely one, and the range that holds 95 %."""

    block: int
    first: int
    last: int


def onset(values: Floats, weights: Floats, look_back: int | None = None) -> Onset | None:
    """The change point of a series of blocks; None with fewer than four blocks or without any change.

    `weights` are the independent units behind each block; only the last `look_back` splits are tried.
    """
    count = len(values)
    if count < 4:
        return None
    weight, total = np.cumsum(weights), np.cumsum(weights * values)
    square = float((weights * values**2).sum())
    before, after = weight[:-1], weight[-1] - weight[:-1]
    usable = (before > 0) & (after > 0)
    if not usable.any():
        return None
    explained = np.where(
        usable,
        total[:-1] ** 2 / np.where(usable, before, 1.0) + (total[-1] - total[:-1]) ** 2 / np.where(usable, after, 1.0),
        -np.inf,
    )
    if look_back is not None and look_back < len(explained):
        explained[: len(explained) - look_back] = -np.inf
    best = int(np.argmax(explained))
    rest = np.maximum(square - explained, 0.0)
    if square - total[-1] ** 2 / weight[-1] <= 1e-12 * max(square, 1e-300):
        return None
    effective = _effective(values, weights, best)
    floor = max(rest[best], 1e-9 * square)
    with np.errstate(divide="ignore"):
        likelihood = -0.5 * effective * np.log(np.maximum(rest, floor) / floor)
    posterior = np.exp(likelihood - likelihood.max())
    posterior /= posterior.sum()
    order = np.argsort(-posterior, kind="stable")
    needed = int(np.searchsorted(np.cumsum(posterior[order]), COVERAGE)) + 1
    inside = order[: min(needed, len(order))]
    return Onset(best + 1, int(inside.min()) + 1, int(inside.max()) + 1)


def _effective(values: Floats, weights: Floats, split: int) -> float:
    """The number of blocks less what their correlation takes, from the residuals of the best split."""
    residual = values.astype(float).copy()
    for side in (slice(None, split + 1), slice(split + 1, None)):
        if weights[side].sum() > 0:
            residual[side] -= np.average(values[side], weights=weights[side])
    residual *= np.sqrt(weights)
    power = float((residual**2).sum())
    if power <= 0 or len(residual) < 8:
        return float(len(values))
    correlation = float((residual[1:] * residual[:-1]).sum()) / power + 1 / len(residual)
    correlation = min(max(correlation, 0.0), MAX_CORRELATION)
    return len(values) * (1 - correlation) / (1 + correlation)
