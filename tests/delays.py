"""How long the fast lane takes to find a change, against the best that is possible; draws docs/images/delays.svg.

Best possible: ln(run length) over the Kullback-Leibler distance between the changed and the usual hours, an hour
(Lorden, Annals of Mathematical Statistics 42, 1971). The run length is the one that the level of the stream promises.
Beside it the best possible for a detector that must prove as surely that the change is larger than what does not
matter, which the fast lane need not: it proves that with a risk of one in a thousand.

Under wander: the hours that the likelihood ratio test needs which knows everything (`limit`).
`python -m tests.delays` measures and draws.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import ndtri

from monitor.stats.budget import LOOKS_AN_HOUR, SHARES, look_levels
from tests.hourly import HARM, QUARTER_HOURS, Stream, alike, learn, rules, watch

STREAMS = 300
USERS = 60
NOISE = 1 / 12
LEVEL = look_levels([1.0] * STREAMS, 1.0)[0]
RUN_LENGTH = 1 / (LEVEL * HARM * LOOKS_AN_HOUR)
FIGURE = Path(__file__).parent.parent / "docs" / "images" / "delays.svg"
_WAITED = 400


@dataclass(frozen=True)
class Delay:
    """Mean hours to the alarm after a change, the best possible, and that counted from the largest change that does not
    matter."""

    kind: str
    change: float
    mean: float
    best: float
    best_beyond: float


def measured(kind: str, change: float, gauges: int, seed: int = 1) -> Delay:
    """A rate of 5 % or 20 % multiplied by `change`, or a mean score raised by `change` standard deviations."""
    share = {"rate of 5%": 0.05, "rate of 20%": 0.2, "mean": 0.48}[kind]
    plan = alike(gauges, share, USERS)
    plan.returning[:] = 0.0
    if kind == "mean":
        plan.is_share[:] = False
    stream = Stream(plan, np.random.default_rng(seed), seasonal=False)
    baselines = learn(stream, plan)
    chosen = rules(plan, LEVEL, harm=HARM)
    margin = float(chosen.margin(np.full((gauges, 1), share))[0, 0])
    if kind == "mean":
        shift = change * math.sqrt(NOISE)
        distances = [(shift - part) ** 2 / (2 * NOISE) for part in (0.0, min(margin, shift - 1e-6))]
    else:
        after = share * change
        distances = [_distance(after, share + part) for part in (0.0, margin)]
        shift = math.log(after / (1 - after)) - math.log(share / (1 - share))
    first: dict[int, int] = {}
    for hour, gauge, _ in watch(stream, baselines, chosen, 48 + _WAITED, shift, 48, is_once=True):
        if hour >= 48:
            first.setdefault(gauge, hour - 47)
    delays = [first.get(gauge, _WAITED) for gauge in range(gauges)]
    best, beyond = (math.log(RUN_LENGTH) / (USERS * distance) for distance in distances)
    return Delay(kind, change, float(np.mean(delays)), best, beyond)


def _distance(after: float, before: float) -> float:
    return after * math.log(after / before) + (1 - after) * math.log((1 - after) / (1 - before))


def limit(after: float, rho: float, wander: float, share: float = 0.05) -> int:
    """Hours after which the best test possible finds a rate changed to `after` in half of all cases.

    It knows the baseline, the process of the wander and its whole past without error, when the change would begin, and
    may spend all of a budget of one false alarm a quarter on rises, at one look an hour: the likelihood ratio test of
    Neyman and Pearson on the log odds, with the noise that gives the hours their Kullback-Leibler distance. Nothing
    that keeps to the budget is faster.
    """
    moved = math.log(after / (1 - after)) - math.log(share / (1 - share))
    noise = moved**2 / (2 * USERS * _distance(after, share))
    needed = -float(ndtri(1 / (STREAMS * QUARTER_HOURS)))
    past = 100
    for hours in range(1, 400):
        apart = np.abs(np.subtract.outer(np.arange(past + hours), np.arange(past + hours)))
        varies = wander**2 * rho**apart + noise * np.eye(past + hours)
        begun = np.arange(past + hours) >= past
        if moved * math.sqrt(begun @ np.linalg.solve(varies, begun.astype(float))) >= needed:
            return hours
    raise ValueError("beyond 400 hours")


def changed(factor: float, rho: float, wander: float, gauges: int = 300, seed: int = 2) -> float:
    """Median hours to the alarm after a rate of 5 % at 60 users an hour is multiplied, in streams that wander."""
    plan = alike(gauges, 0.05, USERS, rho, wander)
    stream = Stream(plan, np.random.default_rng(seed), seasonal=False)
    baselines = learn(stream, plan)
    after = 0.05 * factor
    shift = math.log(after / (1 - after)) - math.log(0.05 / 0.95)
    first: dict[int, int] = {}
    for hour, gauge, _ in watch(stream, baselines, rules(plan, LEVEL), 48 + _WAITED, shift, 48, is_once=True):
        if hour >= 48:
            first.setdefault(gauge, hour - 47)
    return float(np.median([first.get(gauge, _WAITED) for gauge in range(gauges)]))


WANDERS = ((0.0, 0.0), (0.5, 0.1), (0.9, 0.1), (0.5, 0.2), (0.9, 0.15), (0.9, 0.2))
"""Coefficient of the AR(1) process and its standard deviation on the log odds."""

CHANGES = {
    "rate of 5%": (1.8, 2.0, 2.5, 3.0, 4.0),
    "rate of 20%": (1.35, 1.5, 1.6, 1.8, 2.1),
    "mean": (0.25, 0.3, 0.4, 0.5, 0.7),
}


def all_delays(gauges: int = 300) -> list[Delay]:
    """The delays of all changes that are shown."""
    return [measured(kind, change, gauges) for kind, changes in CHANGES.items() for change in changes]


def draw(delays: list[Delay]) -> str:
    """The figure: measured over best possible hours, on logarithmic axes, with the lines of one and two times."""
    size, left, low, high = 360.0, 48.0, 0.8, 60.0

    def at(hours: float) -> float:
        return (math.log(hours) - math.log(low)) / (math.log(high) - math.log(low)) * (size - 24)

    def point(x: float, y: float) -> str:
        return f"{left + at(x):.1f},{size - at(y):.1f}"

    colours = {"rate of 5%": "#c2410c", "rate of 20%": "#b45309", "mean": "#1d4ed8"}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size + 60:.0f} {size + 44:.0f}" '
        'font-family="sans-serif" font-size="11" role="img">',
        "<title>Hours to the alarm against the best possible</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<polyline points="{point(low, low)} {point(high, high)}" stroke="#6b7280" fill="none"/>',
        f'<polyline points="{point(low, 2 * low)} {point(high / 2, high)}" stroke="#6b7280" fill="none" '
        'stroke-dasharray="4 3"/>',
        f'<text x="{left + at(22):.0f}" y="{size - at(18):.0f}" fill="#374151">best possible</text>',
        f'<text x="{left + at(7.5):.0f}" y="{size - at(24):.0f}" fill="#374151">twice that</text>',
    ]
    for hours in (1, 2, 5, 10, 20, 50):
        parts.append(f'<text x="{left + at(hours):.0f}" y="{size + 16:.0f}" text-anchor="middle">{hours}</text>')
        parts.append(f'<text x="{left - 8:.0f}" y="{size - at(hours) + 4:.0f}" text-anchor="end">{hours}</text>')
    parts += [
        f'<circle cx="{left + at(item.best):.1f}" cy="{size - at(item.mean):.1f}" r="4" fill="{colours[item.kind]}"/>'
        for item in delays
    ]
    for place, (kind, colour) in enumerate(colours.items()):
        parts.append(f'<circle cx="{left + 16:.0f}" cy="{30 + 18 * place}" r="4" fill="{colour}"/>')
        parts.append(f'<text x="{left + 26:.0f}" y="{34 + 18 * place}">{kind}</text>')
    parts.append(
        f'<text x="{left:.0f}" y="{size + 36:.0f}">best possible hours from the plain baseline; up: measured</text>'
    )
    return "\n".join([*parts, "</svg>", ""])


def main() -> None:
    """Measures, prints and draws."""
    delays = all_delays()
    for item in delays:
        ratio = item.mean / item.best
        print(  # noqa: T201
            f"{item.kind:12} {item.change:5.2f}  {item.mean:6.1f} h, best {item.best:5.1f} h, {ratio:.2f} times; "
            f"beyond what does not matter {item.best_beyond:5.1f} h, {item.mean / item.best_beyond:.2f} times"
        )
    print(f"run length {RUN_LENGTH:,.0f} h, {STREAMS} streams, {SHARES['hour']:.0%} of a budget of one a quarter")  # noqa: T201
    for rho, wander in WANDERS:
        doubled, outage = (changed(factor, rho, wander) for factor in (2.0, 5.0))
        print(  # noqa: T201
            f"5% at 60 users an hour, AR(1) rho {rho} sd {wander}: "
            f"doubled {doubled:.0f} h, limit {limit(0.1, rho, wander)} h; x5 {outage:.0f} h"
        )
    FIGURE.write_text(draw(delays))


if __name__ == "__main__":
    main()
