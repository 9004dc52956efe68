"""What explains an alert, as people see it: where, mix or behaviour, words, topics, what else changed, examples."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from dash import html

from dashboards import cards
from dashboards.filters import Request
from monitor import wording
from monitor.contracts import Kind, Segment, Signal
from monitor.explain import telling
from monitor.explain.records import Example, Explanation, Mixture, Topic, Where, Word
from monitor.links import page_link

_MOST_WORDS = 10
_SIDE = timedelta(days=14)
# Dimensions by which lists of calls can be narrowed; tags are too.
_LISTED = ("model", "model_family", "provider", "environment", "release", "prompt_version", "feature", "language")


def facts(signal: Signal, explanation: Explanation | None) -> list[tuple[str, Any]]:
    """Where, and mix or behaviour, for the card of an incident; nothing where it has not been explained."""
    if explanation is None or explanation.before is None:
        return []
    return [
        ("Where in it", telling.where_text(signal, explanation)),
        ("Mix or behaviour", telling.why_text(explanation)),
        ("Words", telling.words_text(explanation)),
    ]


def panel(request: Request, signal: Signal, segment: Segment, explanation: Explanation, *, whole: bool = True) -> Any:
    """All answers of an explanation; without `whole` those by numbers only."""
    if explanation.before is None:
        return cards.nothing("There were too few calls on one side of the change to explain it.")
    shown = telling.as_sampled(signal, explanation)
    parts = [_answers(request, signal, shown, segment, explanation)]
    if explanation.mixture is not None:
        parts.append(_mixture(shown, explanation.mixture, plain=signal.kind is not Kind.VECTOR))
    if explanation.suspects:
        parts.append(_suspects(explanation))
    if whole:
        words = [
            _words("Words of the responses", explanation.response_words, explanation.response_topics),
            _words("Words of the prompts", explanation.prompt_words, explanation.prompt_topics),
        ]
        present = [part for part in words if part is not None]
        if present:
            parts.append(html.Div(present, className="two-columns"))
    return html.Div(parts, className="stack")


def _answers(request: Request, signal: Signal, shown: Signal, segment: Segment, explanation: Explanation) -> Any:
    since = explanation.since
    compared = (
        f"{wording.plural(explanation.calls_before, 'call')} before and {wording.count(explanation.calls_after)} since"
    )
    named: list[tuple[str, Any]] = [
        ("Since when", telling.since_text(explanation)),
        ("Where", _where(request, signal, shown, segment, explanation)),
        ("Mix or behaviour", telling.why_text(explanation)),
        ("Share of", explanation.what),
        ("Compared", compared),
        ("Typical calls before", _examples(request, explanation.examples_before)),
        ("Typical calls since", _examples(request, explanation.examples_after)),
    ]
    if since is None:
        named[0] = ("Since when", "The course of the days does not show it more exactly.")
    return cards.card(cards.fact_list(named), className="explains")


def _where(request: Request, signal: Signal, shown: Signal, segment: Segment, explanation: Explanation) -> Any:
    if not explanation.where:
        return telling.where_text(signal, explanation)
    lines = []
    for place in explanation.where:
        text = telling.place_text(place)
        href = _calls(request, segment, place, explanation)
        figures = ""
        if signal.kind is not Kind.VECTOR:
            figures = f" {wording.format_change(shown, place.before, place.after, with_unit=True)}"
            if place.rest_before is not None and place.rest_after is not None:
                elsewhere = wording.format_change(shown, place.rest_before, place.rest_after, with_unit=True)
                figures += f", elsewhere {elsewhere}"
        notes = [f"{wording.percent(place.share)} of the calls since"]
        if place.same:
            notes.append(f"the same calls as {wording.listed(place.same)}")
        lines.append(
            html.Div(
                [
                    cards.link(text, href, strong=True) if href else html.Strong(text),
                    figures,
                    html.Span(f" ({'; '.join(notes)})", className="dim"),
                ]
            )
        )
    return html.Div(lines)


def _calls(request: Request, segment: Segment, place: Where, explanation: Explanation) -> str:
    """The calls of a segment that was found, where a list can be narrowed to them."""
    names = [*filter(None, segment.dimension.split("+")), *place.values]
    if explanation.since is None or len(names) > 2 or len(set(names)) < len(names):
        return ""
    if any(name not in _LISTED and not name.startswith("tag.") for name in names):
        return ""
    values = [*([segment.value] if segment.dimension else []), *place.values.values()]
    both = Segment("+".join(names), " + ".join(values))
    start = explanation.since.at
    return request.link("/explorer", start=start, end=max(start + _SIDE, start), segment=both)


def _examples(request: Request, examples: Sequence[Example]) -> Any:
    if not examples:
        return ""
    links: list[Any] = []
    for number, example in enumerate(examples, 1):
        href = page_link("/explorer", project=request.project, trace=example.trace_id, span=example.span_id)
        links += [" · "] * bool(links) + [cards.link(f"call {number}", href)]
    return html.Span(links)


def amount(signal: Signal, value: float, *, plain: bool = True) -> str:
    """A difference with its sign: "−32.9 points", "+210 characters"; empty for what has no unit people know."""
    if not plain:
        return ""
    sign = wording.MINUS if value < 0 else "+"
    if signal.kind in (Kind.FLAG, Kind.CATEGORY):
        return f"{sign}{abs(value) * 100:.1f} points"
    return f"{sign}{wording.format_value(signal, abs(value))}"


def _mixture(signal: Signal, mixture: Mixture, *, plain: bool) -> Any:
    """A bar of two parts that add up to the change, and the values behind it."""
    size = abs(mixture.mix) + abs(mixture.behaviour)
    if not size or not mixture.change:
        return None
    dimension = wording.dimension_text(mixture.dimension)
    sides = (("mix", mixture.mix, "Mix"), ("behaviour", mixture.behaviour, "Behaviour"))
    bar = html.Div(
        [
            html.Div(className=f"split-{name}", style={"width": f"{abs(value) / size * 100:.2f}%"})
            for name, value, _ in sides
        ],
        className="split",
        **cards.aria(hidden="true"),
    )
    legend: list[Any] = []
    for name, value, title in sides:
        share = f"{value / mixture.change * 100:.0f}%".replace("-", wording.MINUS)
        legend += [
            html.Span(className=f"split-key split-{name}", **cards.aria(hidden="true")),
            f"{title} {amount(signal, value, plain=plain)} ({share})  ",
        ]
    total = amount(signal, mixture.change, plain=plain)
    rows = [
        [
            wording.shortened(part.value, 60) if part.value else "none",
            f"{wording.percent(part.share_before)} {wording.ARROW} {wording.percent(part.share_after)}",
            wording.format_change(signal, part.mean_before, part.mean_after) if plain else "",
            amount(signal, part.mix, plain=plain),
            amount(signal, part.behaviour, plain=plain),
        ]
        for part in mixture.parts
    ]
    rows.append(
        ["All", "", total, amount(signal, mixture.mix, plain=plain), amount(signal, mixture.behaviour, plain=plain)]
    )
    details = html.Details(
        [
            html.Summary(f"By {dimension}"),
            cards.table(
                [dimension.capitalize(), "Share of calls", "Mean", "Adds by mix", "Adds by behaviour"],
                rows,
                caption=f"The change by {dimension}",
                numeric=(1, 2, 3, 4),
            ),
        ],
        className="fold fold-values",
    )
    return cards.card(
        html.H3("Other calls, or other answers?", className="card-title"),
        bar,
        html.P([*legend, f"= {total}" if total else ""], className="split-legend"),
        details if plain else None,
    )


def _suspects(explanation: Explanation) -> Any:
    rows = [
        [
            f"{wording.dimension_text(one.dimension)} {wording.shortened(one.value, 60)}",
            f"{one.event} {wording.day(one.moment)}",
            f"{wording.percent(one.before)} {wording.ARROW} {wording.percent(one.after)}",
            telling.explains_text(one.explains),
        ]
        for one in explanation.suspects
    ]
    return html.Div(
        [
            html.H3("What else changed then", className="card-title"),
            cards.table(
                ["What", "When", "Share of calls", "Of the change, gone without it"],
                rows,
                caption="What else changed then",
                numeric=(2, 3),
            ),
        ]
    )


def _words(title: str, words: Sequence[Word], groups: Sequence[Topic]) -> Any:
    if not words and not groups:
        return None
    rows = [
        [
            f"“{wording.shortened(one.text, 60)}”",
            "more" if one.score > 0 else "less",
            f"{wording.percent(one.before)} {wording.ARROW} {wording.percent(one.after)}",
            f"{abs(one.score):.1f}",
        ]
        for one in words[:_MOST_WORDS]
    ]
    parts: list[Any] = [html.H3(title, className="card-title")]
    if rows:
        parts.append(
            cards.table(["Words", "Now", "Share of texts", "How sure (z)"], rows, caption=title, numeric=(2, 3))
        )
    if groups:
        parts.append(
            html.P(["Topics that grew or shrank: ", "; ".join(map(telling.topic_text, groups[:4]))], className="note")
        )
    return html.Div(parts)


def others(found: Sequence[tuple[Signal, Segment, str, Explanation]]) -> Any:
    """The explanations of further alerts of an incident, one line each; the address leads to the stream."""
    rows = [
        [
            cards.link(
                f"{wording.shortened(signal.title, 50)}, {wording.shortened(wording.segment_text(segment), 60)}", href
            ),
            telling.since_text(explanation),
            telling.where_text(signal, explanation),
            telling.why_text(explanation),
        ]
        for signal, segment, href, explanation in found
        if explanation.before is not None
    ]
    return (
        cards.table(["Change", "Since", "Where", "Mix or behaviour"], rows, caption="Other changes explained")
        if rows
        else None
    )
