"""How far a stream's evidence may go by chance: the limit that keeps to a rate of false alarms."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

from monitor.profile import Floats

FADING = np.array([1.0, 0.5, 0.25, 0.12, 0.06, 0.03])
"""Weight of the newest window in each lane: 1 sees only it (jumps), 0.03 about the last 65 (small lasting shifts)."""

SPENT = 0.6
"""Share of the allowed false alarms that the limits give out; the rest is for what the normal limits are off by."""

_CROSSINGS = 0.8
_HIGHEST = 35.0


def false_alarm_rate(limit: float) -> float:
    """False alarms a window of one stream whose lanes together alarm at this limit, both directions.

    A lane alone is a standard normal value in each window, so it is beyond +-h with probability 2 Q(h), Q the upper
    tail. The lanes share windows and a crossing lasts for several: by simulation with restarts, the rate of first
    crossings of all six is (0.795 h - 0.43) 2 Q(h) for h from 3 to 4.5, and less where the reference's own error
    counts; 0.8 h stands above that, and the number of lanes is a bound in any case (Boole).
    """
    return min(_CROSSINGS * limit, len(FADING)) * 2 * float(ndtr(-limit))


def limit_for(rates: Floats) -> Floats:
    """The limits that keep streams to these rates of false alarms a window, 40 % of each being held back."""
    distinct, place = np.unique(rates, return_inverse=True)
    return np.array([_limit(SPENT * rate) for rate in distinct.tolist()])[place]


def _limit(rate: float) -> float:
    return float(brentq(lambda limit: math.log(false_alarm_rate(limit) / rate), 1.0, _HIGHEST))
