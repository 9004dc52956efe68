"""The signals that exist: those the enrichers declare, and one for each name of feedback.

Statistics, pages and mails ask here what a stored name means. A name nobody declares any more is still described, so
that old profiles stay readable.
"""

from __future__ import annotations

import importlib
from functools import lru_cache

from monitor.contracts import Direction, Enricher, Kind, Signal, collect

FEEDBACK_PREFIX = "feedback."
DIFFERENCES = ("judge_gap.", "probe_gap.")
"""Label less score of a judge, and one group less another: neither up nor down is better, only nearer to zero."""

# Words in the name of a feedback that say that more of it is worse; anything else that is said of an answer praises it.
_WORSE_WHEN_MORE = (
    "bias",
    "complaint",
    "dislike",
    "down",
    "error",
    "escalat",
    "fail",
    "halluc",
    "harm",
    "incorrect",
    "inject",
    "irrelevan",
    "leak",
    "refus",
    "risk",
    "stereotyp",
    "toxic",
    "unsafe",
    "wrong",
)
# What people and evaluators say of answers is the nearest thing to the truth about them.
FEEDBACK_WEIGHT = 10.0
_LEAST_WEIGHT = 0.1

COMMENT_SENTIMENT = "comment_sentiment"
CONTRADICTS = "contradicts"
IMPLICIT = ("rephrased", "repeated", "abandoned")
"""What users did rather than said, as flags under the names of feedback (`monitor.feedback.conversations`)."""

# Asked once a day for the whole project, where others are asked up to four times of every segment.
COUNTED_WEIGHT = 60.0
BURST, FLOOD, DOCUMENT = "feedback_burst", "prompt_flood", "document"
COUNTED = {
    signal.name: signal
    for signal in (
        Signal(
            name=BURST,
            kind=Kind.CATEGORY,
            title="Feedback from few people",
            description="What people said alike within an hour: how much of the day's feedback came from five of them.",
            family="safety",
            relevant=0.1,
            misleads="A person is the annotator, else the user or session of the call; who changes names is not seen. "
            "A colleague who reviews many answers in an hour looks the same.",
            weight=COUNTED_WEIGHT,
        ),
        Signal(
            name=FLOOD,
            kind=Kind.CATEGORY,
            title="Near-duplicate prompts of few users",
            description="Prompts that are nearly the same (cosine of their vectors 0.85): how many five users sent.",
            family="safety",
            relevant=0.005,
            misleads="Needs prompt_meaning, and calls with a user or session: who comes with a new one each time "
            "is not seen. A program that begins to send one template looks the same. 20,000 prompts a day are read.",
            weight=COUNTED_WEIGHT,
        ),
        Signal(
            name=DOCUMENT,
            kind=Kind.CATEGORY,
            title="Document in the context",
            description="How often each document was given to a model or found by a retriever, by a fingerprint.",
            family="safety",
            relevant=0.1,
            misleads="One changed letter makes another document. News and new manuals rise as fast as planted texts: "
            "read it. 5,000 retrievals a day are read.",
            weight=COUNTED_WEIGHT,
        ),
    )
}
"""What is counted over a day rather than call by call (`monitor.poisoning`), by name."""

_FOLLOWED = "Only calls with a session or a user can be followed. "
_OWN = {
    COMMENT_SENTIMENT: (
        "Sentiment of comments",
        "Sentiment of what people wrote, -1 to 1 (VADER).",
        "English only; knows negation but no irony. Few people write, and more often when annoyed.",
    ),
    CONTRADICTS: (
        "Answers that contradict an earlier one",
        "To the same question, with the same documents, model and prompt version, the answer before said otherwise: "
        "yes or no, an option, a number, a short answer.",
        "Which of the two is right is not known, and both may be: the answer may change with the day. Long answers in "
        "other words are not judged. Looked for once a day.",
    ),
    "rephrased": (
        "Question asked again in other words",
        "The next question of the conversation, within ten minutes, is nearly the same as this one.",
        _FOLLOWED + "A follow-up that repeats most words of the question looks the same.",
    ),
    "repeated": (
        "Question asked again word for word",
        "The next question of the conversation, within ten minutes, is this one again.",
        _FOLLOWED + "Programs that try again after a failure look the same.",
    ),
    "abandoned": (
        "Left after a failed answer",
        "The conversation ended with this answer, which failed, was empty or refused; nothing came for 30 minutes.",
        _FOLLOWED + "A refusal may have been right, and a user may have come back later.",
    ),
}


def asked_weight(signal: Signal) -> float:
    """The share of the allowance a signal has in a comparison that somebody asked for.

    It is its weight; one that never raises an alarm (weight 0) is judged there too, with the least share.
    """
    return max(signal.weight, _LEAST_WEIGHT)


def registry() -> dict[str, Signal]:
    """All signals that the enrichers declare, by name, in the order of their modules."""
    package = importlib.import_module("monitor.enrich")
    return dict(_declared(tuple(package.__path__)))


@lru_cache(maxsize=8)
def _declared(_path: tuple[str, ...]) -> tuple[tuple[str, Signal], ...]:
    package = importlib.import_module("monitor.enrich")
    return tuple(
        (signal.name, signal) for enricher in collect(package, Enricher).values() for signal in enricher.signals
    )


def feedback_signal(name: str, kind: Kind) -> Signal:
    """The signal of a feedback name, without or with its prefix.

    More of it counts as better, unless the name says otherwise ("toxicity", "thumbs_down"); categories have no better.
    """
    bare = name.removeprefix(FEEDBACK_PREFIX)
    if bare in _OWN:
        return _own_signal(bare, kind)
    title = bare.replace("_", " ").replace(".", " ").strip().capitalize() or "Feedback"
    good: Direction | None = None
    if kind in (Kind.FLAG, Kind.NUMBER) and not bare.startswith(DIFFERENCES):
        good = "down" if any(word in bare.lower() for word in _WORSE_WHEN_MORE) else "up"
    return Signal(
        name=FEEDBACK_PREFIX + bare,
        kind=kind,
        title=title,
        description=f"What people and evaluators said of the answers under the name {bare}.",
        family="quality",
        good=good,
        misleads="Only answers that got this feedback count; who gives feedback is not a fair sample of who asks.",
        weight=FEEDBACK_WEIGHT,
    )


def _own_signal(name: str, kind: Kind) -> Signal:
    """The signal of what the product itself makes of comments and conversations."""
    title, description, misleads = _OWN[name]
    return Signal(
        name=FEEDBACK_PREFIX + name,
        kind=kind,
        title=title,
        description=description,
        family="quality",
        good="down" if name in (*IMPLICIT, CONTRADICTS) else "up",
        relevant=0.2 if name == COMMENT_SENTIMENT else None,
        misleads=misleads,
    )


def describe(name: str, kind: Kind) -> Signal:
    """The signal of a stored name: declared, feedback, or a plain description of one nobody declares any more."""
    if name.startswith(FEEDBACK_PREFIX):
        return feedback_signal(name, kind)
    declared = COUNTED.get(name) or registry().get(name)
    if declared is not None and declared.kind is kind:
        return declared
    return Signal(
        name=name,
        kind=kind,
        title=name.replace("_", " ").capitalize(),
        description="A signal that no enricher declares any more.",
        family="usage" if name == "calls" else "drift",
    )
