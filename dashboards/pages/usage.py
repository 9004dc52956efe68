"""Usage and cost: how much, by whom, how fast, for how much money."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from dash import html

from dashboards import cards, charts, courses
from dashboards.filters import Request
from monitor import wording
from monitor.contracts import Page, Segment, Signal
from monitor.queries.usage import Usage, UsagePoint, change, usage, usage_by, value_in

_SHOWN = 7
_BREAKDOWNS = (("model", "Model"), ("feature", "Feature"))


def layout(request: Request) -> Any:
    """The page."""
    now = usage(request.store, request.project_id, request.length, request.start, request.end, segment=request.segment)
    before_start, before_end = request.previous
    before = usage(request.store, request.project_id, request.length, before_start, before_end, segment=request.segment)
    other = None
    if request.compare is not None:
        other = usage(
            request.store, request.project_id, request.length, request.start, request.end, segment=request.compare
        )
    head = cards.heading("Usage and cost", "How much is asked, by how many, how fast, and what it costs.")
    if not now.total.calls:
        return html.Div(
            [
                head,
                cards.nothing(
                    f"No calls of {wording.segment_text(request.segment)} "
                    f"from {wording.period(request.start, request.end)}.",
                    cards.link("Show all calls of the range", request.link("/explorer", segment=Segment())),
                ),
            ]
        )
    parts = {dimension: _parts(request, dimension) for dimension, _ in _BREAKDOWNS}
    return html.Div(
        [
            head,
            _numbers(request, now, before),
            cards.section("Traffic", _traffic(request, now, other)),
            cards.section("Tokens and cost", _unpriced(request, now.total), _cost(request, now, parts)),
            *(_table(request, parts[dimension], dimension, title) for dimension, title in _BREAKDOWNS),
            cards.note(
                "Users are counted within each day (within each hour for ranges up to two days). ",
                "Costs are US dollars; calls whose price is unknown are counted apart and never as free.",
            ),
        ]
    )


def _numbers(request: Request, now: Usage, before: Usage) -> Any:
    total, past = now.total, before.total
    blocks = "hour" if request.length.value == "hour" else "day"
    course = _by_start(now)
    spark = [course[start].calls if start in course else 0 for start in courses.blocks(request)]
    tokens = _plus(total.input_tokens, total.output_tokens)
    return cards.number_row(
        cards.number_card(
            "Calls",
            wording.count(total.calls),
            symbol="calls",
            change=_change(total.calls, past.calls),
            href=request.link("/explorer"),
            spark=spark,
        ),
        cards.number_card(
            f"Users an active {blocks}",
            wording.number(_mean([point.users for point in now.points]) or 0),
            symbol="users",
            change=_change(_mean([point.users for point in now.points]), _mean([p.users for p in before.points])),
            spark=[course[start].users if start in course else 0 for start in courses.blocks(request)],
        ),
        cards.number_card(
            "Errors",
            wording.MISSING if total.error_share is None else wording.percent(total.error_share),
            symbol="warning",
            change=_points(total.error_share, past.error_share),
            detail="" if total.errors is None else wording.plural(total.errors, "failed call"),
            href=request.link("/explorer", signal="error:true"),
        ),
        cards.number_card(
            "Latency, 95% within",
            _seconds(total.latency.p95),
            symbol="clock",
            change=_change(total.latency.p95, past.latency.p95, good="down"),
            detail=f"half within {_seconds(total.latency.p50)}" if total.latency.p50 is not None else "",
        ),
        cards.number_card(
            "Tokens",
            wording.MISSING if tokens is None else _compact(tokens),
            symbol="usage",
            change=_change(tokens, _plus(past.input_tokens, past.output_tokens)),
            detail="" if tokens is None else f"{_count(total.input_tokens)} in, {_count(total.output_tokens)} out",
        ),
        cards.number_card(
            "Cost",
            _money(total.cost_usd),
            symbol="money",
            change=_change(total.cost_usd, past.cost_usd),
            detail=_cost_detail(total),
            spark=[course[start].cost_usd if start in course else None for start in courses.blocks(request)],
        ),
        cards.number_card(
            "Cost per call",
            _money(total.cost_per_call),
            symbol="money",
            change=_change(total.cost_per_call, past.cost_per_call, good="down"),
            detail="of calls with a known price" if total.unpriced and total.cost_usd is not None else "",
        ),
    )


def _traffic(request: Request, now: Usage, other: Usage | None) -> Any:
    def lines(
        name: str,
        title: str,
        summary: str,
        signal: Signal | None,
        value: Callable[[UsagePoint], float | None],
        **more: Any,
    ) -> Any:
        condition = more.get("condition", "")
        spoken = more.get("spoken", wording.count)
        missing = more.get("missing")
        parts = [(wording.segment_text(request.segment), now, request.segment)]
        if other is not None and request.compare is not None:
            parts.append((wording.segment_text(request.compare), other, request.compare))
        series = [
            courses.course(
                request, label, _by_start(part), value, spoken, signal=condition, segment=segment, missing=missing
            )
            for label, part, segment in parts
        ]
        return charts.graph(
            charts.lines(series, signal),
            name=name,
            title=title,
            summary=summary,
            link=request.link("/explorer", signal=condition),
        )

    total = now.total
    return html.Div(
        [
            lines(
                "calls",
                f"Calls {request.each}",
                f"{wording.plural(total.calls, 'call')} in all.",
                None,
                lambda p: p.calls,
                missing=0,
            ),
            lines(
                "users",
                f"Users {request.each}",
                f"Different users {request.each}.",
                None,
                lambda p: p.users,
                missing=0,
            ),
            lines(
                "errors",
                "Share of calls that failed",
                f"{wording.MISSING if total.error_share is None else wording.percent(total.error_share)} failed.",
                courses.signal_of("error"),
                lambda p: p.error_share,
                condition="error:true",
                spoken=wording.percent,
            ),
            _latency(request, now),
        ],
        className="two-columns",
    )


def _latency(request: Request, now: Usage) -> Any:
    points = _by_start(now)
    wanted: Sequence[tuple[str, Callable[[UsagePoint], float | None]]] = (
        ("half within", lambda point: point.latency.p50),
        ("95% within", lambda point: point.latency.p95),
        ("99% within", lambda point: point.latency.p99),
    )
    series = [
        courses.course(request, name, points, value, wording.seconds, signal="latency_s:..") for name, value in wanted
    ]
    slow = f"latency_s:{now.total.latency.p95:.3g}.." if now.total.latency.p95 is not None else "latency_s:.."
    return charts.graph(
        charts.spread_out(charts.lines(series, courses.signal_of("latency_s"))),
        name="latency",
        title="Latency in seconds",
        summary=f"Half within {_seconds(now.total.latency.p50)}, 95% within {_seconds(now.total.latency.p95)}.",
        link=request.link("/explorer", signal=slow),
        link_text="Show the slowest 5%",
    )


def _tokens(request: Request, now: Usage) -> Any:
    points = _by_start(now)
    series = [
        courses.course(request, "input", points, lambda point: point.input_tokens, wording.count),
        courses.course(request, "output", points, lambda point: point.output_tokens, wording.count),
    ]
    return charts.graph(
        charts.stacked(series),
        name="tokens",
        title=f"Tokens {request.each}",
        summary=f"{_count(now.total.input_tokens)} input and {_count(now.total.output_tokens)} output tokens.",
        link=request.link("/explorer"),
    )


def _cost(request: Request, now: Usage, breakdown: Mapping[str, Sequence[Usage]]) -> Any:
    graphs = [_tokens(request, now)]
    if now.total.cost_usd is None:
        graphs.append(
            cards.nothing("No call of the range has a known price. Prices of your own: MONITOR_PRICE_OVERRIDES.")
        )
        return html.Div(graphs, className="two-columns")
    for dimension, title in _BREAKDOWNS:
        parts = [part for part in breakdown[dimension] if part.total.cost_usd is not None]
        parts.sort(key=lambda part: -(part.total.cost_usd or 0))
        if not parts:
            continue
        series = [
            courses.course(
                request,
                value_in(dimension, part.segment),
                _by_start(part),
                lambda point: point.cost_usd,
                wording.money,
                segment=part.segment,
            )
            for part in parts[:_SHOWN]
        ]
        shown = ", ".join(
            f"{value_in(dimension, part.segment)} {_money(part.total.cost_usd)}" for part in parts[:_SHOWN]
        )
        more = f" The {_SHOWN} dearest of {len(parts)}." if len(parts) > _SHOWN else ""
        graphs.append(
            charts.graph(
                charts.stacked(series, courses.signal_of("cost_usd")),
                name=f"cost-{dimension}",
                title=f"Cost {request.each} by {title.lower()}, US dollars",
                summary=f"Cost by {title.lower()}: {shown}.{more}",
                link=request.link("/explorer"),
            )
        )
    per_call = courses.course(
        request, "cost per call", _by_start(now), lambda point: point.cost_per_call, wording.money, signal="cost_usd:.."
    )
    graphs.append(
        charts.graph(
            charts.lines([per_call], courses.signal_of("cost_usd")),
            name="cost-per-call",
            title="Cost per call, US dollars",
            summary=f"{_money(now.total.cost_per_call)} a call on average.",
            link=request.link("/explorer", signal="cost_usd:.."),
        )
    )
    return html.Div(graphs, className="two-columns")


def _unpriced(request: Request, total: UsagePoint) -> Any:
    if not total.unpriced:
        return None
    return html.P(
        [
            f"The price of {wording.plural(total.unpriced, 'call')} ({wording.percent(total.unpriced / total.calls)}) "
            "is unknown; their cost is not in these figures. ",
            cards.link("Show them", request.link("/explorer", signal="cost_source:none")),
        ],
        className="notice",
    )


def _table(request: Request, parts: Sequence[Usage], dimension: str, title: str) -> Any:
    if not parts:
        return cards.section(
            f"By {title.lower()}",
            cards.nothing(
                f"Calls of {wording.segment_text(request.segment)} are not sliced by {title.lower()}."
                if request.segment.dimension
                else f"No call of the range names its {title.lower()}."
            ),
        )
    whole = sum(part.total.calls for part in parts)
    has_gap = any(part.total.cost_gap is not None for part in parts)
    has_saved = any(part.total.saved_usd for part in parts)
    rows = []
    for part in parts:
        total = part.total
        tokens = _plus(total.input_tokens, total.output_tokens)
        rows.append(
            [
                html.Span(
                    cards.link(value_in(dimension, part.segment), request.link("/explorer", segment=part.segment)),
                    className="nowrap",
                ),
                wording.count(total.calls),
                wording.percent(total.calls / whole),
                wording.MISSING if total.error_share is None else wording.percent(total.error_share),
                wording.MISSING if tokens is None else wording.number(tokens / total.calls),
                _money(total.cost_usd),
                _money(total.cost_per_call),
                wording.count(total.unpriced) if total.unpriced else wording.MISSING,
                *([_gap(total)] if has_gap else []),
                *([_money(total.saved_usd) if total.saved_usd else wording.MISSING] if has_saved else []),
            ]
        )
    head = [title, "Calls", "Share", "Failed", "Tokens per call", "Cost", "Cost per call", "Price unknown"]
    head += ["Sender over list price"] * has_gap + ["Saved by cache"] * has_saved
    return cards.section(
        f"By {title.lower()}", cards.table(head, rows, caption=f"Usage by {title.lower()}", numeric=range(1, len(head)))
    )


def _parts(request: Request, dimension: str) -> list[Usage]:
    found = usage_by(
        request.store,
        request.project_id,
        request.length,
        request.start,
        request.end,
        dimension=dimension,
        within=request.segment,
    )
    return list(found)


def _by_start(found: Usage) -> Mapping[datetime, UsagePoint]:
    return {point.start: point for point in found.points}


def _change(now: float | None, before: float | None, good: str = "") -> cards.Change | None:
    relative = change(now, before)
    if relative is None:
        return None
    if abs(relative) < 0.005:
        return cards.Change("as before")
    better = None if not good else (relative < 0) == (good == "down")
    sign = "+" if relative > 0 else wording.MINUS
    return cards.Change(f"{sign}{abs(relative):.0%} on the period before", better)


def _points(now: float | None, before: float | None) -> cards.Change | None:
    if now is None or before is None:
        return None
    moved = (now - before) * 100
    if abs(moved) < 0.05:
        return cards.Change("as before")
    return cards.Change(f"{'+' if moved > 0 else wording.MINUS}{abs(moved):.1f} points", moved < 0)


def _cost_detail(total: UsagePoint) -> str:
    if total.unpriced:
        return f"price unknown for {wording.percent(total.unpriced / total.calls)} of calls"
    if total.saved_usd:
        return f"{wording.money(total.saved_usd)} saved by the application's cache"
    return ""


def _gap(total: UsagePoint) -> str:
    """The senders' figures against list prices."""
    if total.cost_gap is None:
        return wording.MISSING
    return "as the list" if abs(total.cost_gap) < 0.005 else f"{total.cost_gap:+.0%}".replace("-", wording.MINUS)


def _money(value: float | None) -> str:
    return "unknown" if value is None else wording.money(value)


def _seconds(value: float | None) -> str:
    return wording.MISSING if value is None else wording.seconds(value)


def _count(value: float | None) -> str:
    return wording.MISSING if value is None else wording.count(value)


def _compact(value: float) -> str:
    """A large count in few digits: "1.03 million", "34,512"."""
    for size, name in ((1e9, "billion"), (1e6, "million")):
        if value >= size:
            return f"{wording.number(value / size)} {name}"
    return wording.count(value)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _plus(first: float | None, second: float | None) -> float | None:
    return None if first is None and second is None else (first or 0) + (second or 0)


PAGE = Page("/usage", "Usage and cost", "usage", 3, layout, section="Product")
