"""Many questions asked at once: which answers may be claimed so that few of the claims are false."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def benjamini_yekutieli(p_values: Sequence[float], level: float, weights: Sequence[float] | None = None) -> list[bool]:
    """Which hypotheses to reject so that the expected share of false ones among them is at most `level`.

    With m hypotheses and p-values in order, those up to the largest k with p_k <= k level / (m H), H = 1 + 1/2 + ... +
    1/m. Each p-value is first divided by its weight (their mean is made 1): what matters most may get more of the
    level. Holds whatever the dependence between the hypotheses; where they are independent it is about H times stricter
    than it says. It misleads where somebody picks the hypotheses after seeing the values.

    E-values (e-BH) hold under any dependence too, and at any time; they pay for that freedom with width, which one look
    at a closed week does not need.

    Sources: Benjamini and Yekutieli, Annals of Statistics 29, 2001; weights: Genovese, Roeder and Wasserman,
    Biometrika 93, 2006.
    """
    count = len(p_values)
    if not count:
        return []
    weighted = np.asarray(p_values, dtype=np.float64)
    if weights is not None:
        given = np.asarray(weights, dtype=np.float64)
        weighted = weighted / (given / given.mean())
    order = np.argsort(weighted, kind="stable")
    harmonic = float(np.sum(1 / np.arange(1, count + 1)))
    within = weighted[order] <= np.arange(1, count + 1) * level / (count * harmonic)
    rejected = np.zeros(count, dtype=bool)
    if within.any():
        rejected[order[: int(np.flatnonzero(within)[-1]) + 1]] = True
    return [bool(one) for one in rejected]
