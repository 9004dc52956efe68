"""How long the fast lane takes to find a change, against the best that is possible; draws docs/images/delays.svg.

Best possible: ln(run length) over the Kullback-Leibler distance between the changed hours and the largest change that
does not matter, an hour (Lorden, Annals of Mathematical Statistics 42, 1971). The run length is the one that the level
of the stream promises. `python -m tests.delays` measures and draws.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from monitor.stats.budget import LOOKS_AN_HOUR, SHARES, look_levels
from tests.hourly import HARM, Stream, alike, learn, rules, watch

STREAMS = 300
USERS = 60
NOISE = 1 / 12
LEVEL = look_levels([1.0] * STREAMS, 1.0)[0]
RUN_LENGTH = 1 / (LEVEL * HARM * LOOKS_AN_HOUR)
FIGURE = Path(__file__).parent.parent / "docs" / "images" / "delays.svg"
_WAITED = 400


@dataclass(frozen=True)
class Delay:
    """Mean hours to the alarm after a change, and the best possible."""

    kind: str
    change: float
    mean: float
    best: float


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
        moved = change * math.sqrt(NOISE)
        distance = max(moved - margin, 0.0) ** 2 / (2 * NOISE)
        shift = moved
    else:
        after, bound = share * change, share + margin
        distance = after * math.log(after / bound) + (1 - after) * math.log((1 - after) / (1 - bound))
        shift = math.log(after / (1 - after)) - math.log(share / (1 - share))
    first: dict[int, int] = {}
    for hour, gauge, _ in watch(stream, baselines, chosen, 48 + _WAITED, shift, start=48):
        if hour >= 48:
            first.setdefault(gauge, hour - 47)
    delays = [first.get(gauge, _WAITED) for gauge in range(gauges)]
    return Delay(kind, change, float(np.mean(delays)), math.log(RUN_LENGTH) / (USERS * distance))


CHANGES = {
    "rate of 5%": (1.8, 2.0, 2.5, 3.0, 4.0),
    "rate of 20%": (1.5, 1.6, 1.8, 2.1),
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
    parts.append(f'<text x="{left:.0f}" y="{size + 36:.0f}">best possible delay, hours; upwards: measured</text>')
    return "\n".join([*parts, "</svg>", ""])


def main() -> None:
    """Measures, prints and draws."""
    delays = all_delays()
    for item in delays:
        ratio = item.mean / item.best
        print(f"{item.kind:12} {item.change:5.2f}  {item.mean:6.1f} h, best {item.best:5.1f} h, {ratio:.2f} times")  # noqa: T201
    print(f"run length {RUN_LENGTH:,.0f} h, {STREAMS} streams, {SHARES['hour']:.0%} of a budget of one a quarter")  # noqa: T201
    FIGURE.write_text(draw(delays))


if __name__ == "__main__":
    main()
