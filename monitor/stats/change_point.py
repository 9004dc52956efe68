"""Where a change began: the split of a series that explains it best."""

from __future__ import annotations

import numpy as np

from monitor.profile import Floats

LOOK_BACK_BLOCKS = 28


def change_point(values: Floats, weights: Floats, look_back: int = LOOK_BACK_BLOCKS) -> int:
    """Index of the first block after the change: the maximum of the Gaussian likelihood over all splits.

    For a shift of the mean it is the split k with the largest W1 W2 / (W1 + W2) (m1 - m2)^2, W and m being weights and
    weighted means before and from k on (the CUSUM statistic). Only the last `look_back` splits are tried. Sound to a
    block or two for a clear sudden shift; a slow change has no such point and is dated to its middle.
    Source: Hinkley, Biometrika 57, 1970.
    """
    if len(values) < 2:
        return 0
    weight = np.cumsum(weights)
    total = np.cumsum(weights * values)
    before, after = weight[:-1], weight[-1] - weight[:-1]
    usable = (before > 0) & (after > 0)
    gap = np.where(
        usable,
        total[:-1] / np.where(usable, before, 1.0) - (total[-1] - total[:-1]) / np.where(usable, after, 1.0),
        0.0,
    )
    gain = before * after / weight[-1] * gap**2
    first = max(0, len(gain) - look_back)
    return first + int(np.argmax(gain[first:])) + 1
