"""Gauges: what the fast lane reads off the profiles of a stream, as means over users of values in [0, 1].

=========  =====================================================================================================
kind       gauges
=========  =====================================================================================================
flag       the share itself
number     `higher`: mean rank among the reference after every number is brought back by the relevant change up;
           `lower`: the same for a change down; `tail`: the share beyond the reference's 95th percentile
category   shares of the most frequent values (a fall to nothing: a value that vanished), and of those never seen
=========  =====================================================================================================

Ranks are free of the distribution: skew and single huge numbers do no harm. A mean rank above one half after the
numbers were brought back says that more than the relevant change happened. Vectors are left to the daily lane.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from monitor.contracts import Kind, Signal
from monitor.profile import OTHER, Floats, Profile, bin_of, bin_value
from monitor.stats.ranks import Counts, Ranks

VALUES = 6
NEW = "(new)"
SHARE, HIGHER, LOWER, TAIL = "share", "higher", "lower", "tail"
_TAIL = 0.95
_LEAST_SHARE = 0.005
_MOST_COUNTS = 4000
# What must be proven is a tenth of the usual value (of the rarer side), at least a quarter of a point: beyond any doubt
# about the baseline. What must be seen is twice that, and never more than the signal's own relevant change.
RELATIVE, LEAST, SHOWN = 0.1, 0.0025, 2.0
SCORE_MARGIN = 0.02
HARM_SHARE = 0.8


class Gauge(msgspec.Struct, frozen=True):
    """One gauge: its name (for categories the value), its share of the stream's level on each side, what matters.

    `noise` is the variance of one user's score, None for shares.
    """

    name: str
    up: float
    down: float
    relative: float
    least: float
    most: float
    shown: float
    noise: float | None


class Scale(msgspec.Struct, frozen=True):
    """What turns the profiles of one stream into gauges, frozen from its reference.

    `bins` and `counts` are the reference's histogram, `edge` its 95th percentile as a bin, `up` and `down` the relevant
    changes by which numbers are brought back, `known` the values of a category that were seen.
    """

    kind: str
    gauges: tuple[Gauge, ...]
    bins: tuple[int, ...] = ()
    counts: tuple[float, ...] = ()
    edge: int = 0
    relevant: float = 0.0
    known: tuple[str, ...] = ()

    def measure(self, profiles: Sequence[Profile]) -> tuple[Floats, Floats]:
        """Users of each profile, and the sums over users of each gauge (profiles x gauges)."""
        users = np.array([profile.users for profile in profiles], dtype=np.float64)
        if not len(profiles):
            return users, np.zeros((0, len(self.gauges)))
        if self.kind == Kind.FLAG:
            sums = np.array([[profile.user_total] for profile in profiles])
        elif self.kind == Kind.CATEGORY:
            sums = self._categories(profiles)
        else:
            sums = self._numbers(profiles) * users[:, None]
        return users, np.clip(sums, 0.0, users[:, None])

    def _categories(self, profiles: Sequence[Profile]) -> Floats:
        known = set(self.known)
        sums = np.zeros((len(profiles), len(self.gauges)))
        names = {gauge.name: place for place, gauge in enumerate(self.gauges)}
        for row, profile in enumerate(profiles):
            for name, entry in profile.categories.items():
                if name in names and name != NEW:
                    sums[row, names[name]] += entry.share
                if name not in known and name != OTHER and NEW in names:
                    sums[row, names[NEW]] += entry.share
        return sums

    def _numbers(self, profiles: Sequence[Profile]) -> Floats:
        ranks = self.ranks
        found = np.zeros((len(profiles), len(self.gauges)))
        counts = Counts.of(profiles)
        for place, gauge in enumerate(self.gauges):
            if gauge.name == TAIL:
                beyond = np.bincount(counts.block, counts.counts * (counts.bins > self.edge), minlength=len(profiles))
                found[:, place] = beyond / counts.n
            else:
                found[:, place] = ranks.means_after(counts, self.change(gauge.name))
        return found

    @property
    def ranks(self) -> Ranks:
        """The reference's ranks."""
        bins, counts = np.array(self.bins, dtype=np.int64), np.array(self.counts)
        return Ranks(Counts(bins, counts, np.zeros(len(bins), dtype=np.int64), np.array([max(counts.sum(), 1.0)])))

    def change(self, name: str) -> float:
        """The relative amount by which numbers are brought back for a gauge."""
        if name == HIGHER:
            return -self.relevant / (1 + self.relevant)
        return self.relevant / (1 - self.relevant) if self.relevant < 1 else 1e6


def scale_of(signal: Signal, reference: Profile, *, harm_only: bool) -> Scale | None:
    """The scale of a stream from its merged reference; None where the fast lane has nothing to read.

    `harm_only` leaves a change for the better unasked.
    """
    up, down = _sides(signal, harm_only)
    if signal.kind is Kind.FLAG:
        return Scale(str(Kind.FLAG), (_share(SHARE, reference.user_mean or 0.0, signal, up, down),))
    if signal.kind is Kind.NUMBER:
        return _number_scale(signal, reference, up, down)
    if signal.kind is Kind.CATEGORY:
        return _category_scale(signal, reference)
    return None


def _sides(signal: Signal, harm_only: bool) -> tuple[float, float]:
    harm = 1.0 if harm_only else HARM_SHARE
    if signal.good is None:
        return 0.5, 0.5
    return (harm, 1 - harm) if signal.good == "down" else (1 - harm, harm)


def _share(name: str, share: float, signal: Signal, up: float, down: float) -> Gauge:
    relevant = signal.relevant_change if signal.kind is not Kind.NUMBER else 0.05
    shown = min(relevant, max(SHOWN * RELATIVE * min(share, 1 - share), SHOWN * LEAST))
    return Gauge(name, up, down, RELATIVE, LEAST, relevant / SHOWN, shown, None)


def _number_scale(signal: Signal, reference: Profile, up: float, down: float) -> Scale | None:
    bins, counts = reference.histogram
    if not len(bins):
        return None
    order = np.argsort(bins)
    bins, counts = bins[order], counts[order] * min(1.0, _MOST_COUNTS / counts.sum())
    at = reference.quantile(_TAIL) or 0.0
    edge = bin_of(at)
    edge = edge if bin_value(edge) >= at else edge + 1
    beyond = float(counts[bins > edge].sum() / counts.sum())
    scale = Scale(
        str(Kind.NUMBER),
        (),
        tuple(bins.tolist()),
        tuple(float(f"{count:.4g}") for count in counts.tolist()),
        edge,
        signal.relevant_change,
    )
    ranks = scale.ranks
    own = Counts(bins, counts, np.zeros(len(bins), dtype=np.int64), np.array([counts.sum()]))
    gauges = []
    # The slow tail is worth a look of its own where more is worse.
    tail = 0.3 * up if signal.good == "down" and beyond > 0 else 0.0
    for name, weight in ((HIGHER, up - tail), (LOWER, down)):
        if weight > 0:
            score = ranks.mean_after(own, scale.change(name))
            margin = max(abs(0.5 - score), SCORE_MARGIN)
            sides = (weight, 0.0) if name == HIGHER else (0.0, weight)
            gauges.append(Gauge(name, *sides, 0.0, margin, margin, margin, max(ranks.variance, 1e-3)))
    if tail:
        gauges.append(_share(TAIL, beyond, signal, tail, 0.0))
    return msgspec.structs.replace(scale, gauges=tuple(gauges))


def _category_scale(signal: Signal, reference: Profile) -> Scale | None:
    shares = {name: entry.share / max(reference.users, 1) for name, entry in reference.categories.items()}
    frequent = sorted((name for name in shares if shares[name] >= _LEAST_SHARE), key=lambda name: -shares[name])
    frequent = frequent[:VALUES]
    if not frequent:
        return None
    once = sum(1 for entry in reference.categories.values() if entry.calls == 1)
    each = 0.7 / len(frequent)
    gauges = [_share(name, shares[name], signal, each / 2, each / 2) for name in frequent]
    if OTHER not in shares:
        unseen = once / max(reference.n, 1)
        gauges.append(_share(NEW, unseen, signal, 0.3, 0.0))
    return Scale(str(Kind.CATEGORY), tuple(gauges), known=tuple(shares))
