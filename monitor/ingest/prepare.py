"""The last step before storing: user identifiers become pseudonyms, personal data and secrets are masked, lengths are
capped and marked, and characters that a database refuses are replaced.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from operator import attrgetter
from typing import Any

import msgspec

from monitor.errors import InputError
from monitor.identifiers import MAX_IDENTIFIER, Pseudonyms
from monitor.records import HIDDEN, Feedback, Message, Scalar, Span, Tokens
from monitor.redaction import Redactor
from monitor.settings import Settings

MAX_NAME = 200
MAX_TAGS = 64
MAX_ATTRIBUTES = 256
MAX_DEPTH = 12
MAX_ITEMS = 1_000
MAX_DOCUMENTS = 100
MAX_COUNT = 2**31 - 1

MAX_REMEMBERED = 60
MAX_HARMLESS = 10_000

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2089, 1, 1, tzinfo=UTC)
CLOCK_SKEW = timedelta(days=1)

# A cut may go through the middle of a number or address: so much more is looked at, so that its first half is masked.
_OVERLAP = 300

_SHORT_FIELDS = (
    "provider",
    "model",
    "requested_model",
    "environment",
    "release",
    "prompt_version",
    "feature",
    "finish_reason",
    "service_tier",
    "source",
)
_short_values = attrgetter(*_SHORT_FIELDS)
_NO_TOKENS = Tokens()


def clean(text: str) -> str:
    """The text without NUL characters and lone surrogates, which PostgreSQL and UTF-8 cannot hold."""
    if text.isascii() and "\x00" not in text:
        return text
    if "\x00" in text:
        text = text.replace("\x00", "\ufffd")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def short(text: str) -> str:
    """A name fit for a column: clean and of bounded length."""
    if len(text) > MAX_NAME:
        text = text[:MAX_NAME]
    return text if text.isascii() and "\x00" not in text else clean(text)


def check_time(moment: datetime, now: datetime) -> None:
    """Raises InputError for a time that no call of today can have: such rows would spoil every range of time."""
    if moment < EARLIEST:
        raise InputError(f"time: {moment:%Y-%m-%d} is before {EARLIEST:%Y-%m-%d}.")
    if moment > now + CLOCK_SKEW or moment >= LATEST:
        raise InputError(f"time: {moment:%Y-%m-%d %H:%M} UTC lies more than a day in the future.")


class Preparer:
    """Prepares the records of one project at a time; shared by all threads."""

    def __init__(self, settings: Settings, key: bytes) -> None:
        self._pseudonyms = Pseudonyms(key)
        self._masks = _Masks(Redactor(settings, key)) if settings.redaction == "mask" else None
        self._unmasked_projects = frozenset(settings.redaction_off_projects)
        self._limit = settings.max_text_characters
        self._fit: set[str] = {""}

    def span(self, project: str, span: Span, now: datetime) -> Span:
        """The span as it may be stored. Raises InputError where it cannot be."""
        check_time(span.time, now)
        work = _Work(None if project in self._unmasked_projects else self._masks, self._limit, span.trace_id)
        if max(len(span.trace_id), len(span.span_id), len(span.parent_id)) > MAX_IDENTIFIER:
            raise InputError(f"An identifier is longer than {MAX_IDENTIFIER} characters.")
        if not span.trace_id or not span.span_id:
            raise InputError("A span needs a trace id and a span id.")
        changes = self._short_fields(span)
        if span.user:
            changes["user"] = self._pseudonyms.of(span.user)
        if span.session_id:
            changes["session_id"] = self._session(work, span.session_id)
        work.span(span, changes)
        if span.tokens != _NO_TOKENS:
            changes["tokens"] = _plausible(span.tokens)
        for name, value in (
            ("cost_usd", span.cost_usd),
            ("latency_s", span.latency_s),
            ("time_to_first_token_s", span.time_to_first_token_s),
        ):
            if value is not None and not 0 <= value < 1e9:
                changes[name] = None
        if work.masked:
            changes["masked"] = work.masked
        if work.truncated:
            changes["truncated"] = tuple(dict.fromkeys((*span.truncated, *work.truncated)))
        return msgspec.structs.replace(span, **changes)

    def feedback(self, project: str, feedback: Feedback, now: datetime) -> Feedback:
        """The feedback as it may be stored. Raises InputError where it cannot be."""
        check_time(feedback.time, now)
        if not feedback.name.strip():
            raise InputError("name: feedback needs a name.")
        if not (feedback.trace_id or feedback.session_id):
            raise InputError("Feedback needs a target: trace_id, id or session_id.")
        masks = None if project in self._unmasked_projects else self._masks
        work = _Work(masks, self._limit, feedback.trace_id or feedback.session_id)
        annotator_id = short(feedback.annotator_id)
        if annotator_id and feedback.annotator == "human":
            annotator_id = self._pseudonyms.of(feedback.annotator_id)
        value = feedback.value
        if value is not None and not abs(value) < 1e12:
            raise InputError("value: must be a finite number.")
        return msgspec.structs.replace(
            feedback,
            name=short(feedback.name.strip()),
            session_id=self._session(work, feedback.session_id),
            label=work.text("label", short(feedback.label)) if feedback.label is not None else None,
            comment=work.text("comment", feedback.comment) if feedback.comment else None,
            correction=work.text("correction", feedback.correction) if feedback.correction else None,
            annotator_id=annotator_id,
            identifier=short(feedback.identifier),
        )

    def _short_fields(self, span: Span) -> dict[str, Any]:
        """The names of a span that need a change."""
        values = _short_values(span)
        if self._fit.issuperset(values):
            return {}
        return {
            name: short(value)
            for name, value in zip(_SHORT_FIELDS, values, strict=True)
            if value not in self._fit and not self._known_fit(value)
        }

    def _known_fit(self, value: str) -> bool:
        """True for a name that needs no change; the ones seen are remembered, since they repeat in every span."""
        if len(value) > MAX_NAME or not value.isascii() or "\x00" in value:
            return False
        if len(self._fit) >= MAX_HARMLESS:
            self._fit.clear()
        self._fit.update(("", value))
        return True

    def _session(self, work: _Work, session_id: str) -> str:
        """The session id; its pseudonym where it holds personal data, so that sessions stay apart."""
        session_id = short(session_id)
        return session_id if work.text("session_id", session_id) == session_id else self._pseudonyms.of(session_id)


def _plausible(tokens: Tokens) -> Tokens:
    """The counts without those that cannot be: negative, or more than a column holds."""
    counts = [count for count in msgspec.structs.astuple(tokens) if count.__class__ is int]
    return tokens if not counts or (min(counts) >= 0 and sum(counts) <= MAX_COUNT) else _NO_TOKENS


class _Masks:
    """Masking, with a memory of short texts in which nothing was found: names and settings repeat in every span."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self.harmless: set[str] = set()

    def of(self, text: str, scope: str) -> tuple[str, Mapping[str, int]]:
        """The masked text, and how much was masked by kind; within a scope a value has one placeholder."""
        masked, found = self._redactor.mask(text, scope)
        if not found and len(text) <= MAX_REMEMBERED:
            if len(self.harmless) >= MAX_HARMLESS:
                self.harmless.clear()
            self.harmless.add(text)
        return masked, found


class _Work:
    """What is gathered while one record is prepared: what was masked, what was cut."""

    __slots__ = ("_limit", "_masks", "_scope", "masked", "truncated")

    def __init__(self, masks: _Masks | None, limit: int, scope: str) -> None:
        self._masks = masks
        self._limit = limit
        self._scope = scope
        self.masked: dict[str, int] = {}
        self.truncated: list[str] = []

    def span(self, span: Span, changes: dict[str, Any]) -> None:
        """Adds the fields of a span that may hold people's text, as they may be stored."""
        if span.name:
            changes["name"] = self.text("name", short(span.name))
        if span.prompt:
            changes["prompt"] = self.messages("prompt", span.prompt)
        if span.response:
            changes["response"] = self.text("response", span.response)
        if span.response_parts:
            changes["response_parts"] = self.text("response_parts", span.response_parts)
        if span.context:
            changes["context"] = self.texts("context", span.context)
        if span.reference:
            changes["reference"] = self.texts("reference", span.reference)
        if span.error:
            changes["error"] = self.text("error", span.error)
        if span.tags:
            changes["tags"] = self.tags("tags", span.tags)
        if span.attributes:
            changes["attributes"] = self.attributes("attributes", span.attributes)

    def text(self, field: str, text: str) -> str:
        """One text, clean, masked, at most as long as the settings allow."""
        if text == HIDDEN:
            return text
        return self._within(field, text, self._limit)

    def _within(self, field: str, text: str, room: int) -> str:
        if self._masks is not None and room >= MAX_REMEMBERED and text in self._masks.harmless:
            return text
        cut = len(text) > room
        text = clean(text[: room + _OVERLAP] if cut else text)
        if self._masks is not None:
            text, found = self._masks.of(text, self._scope)
            for kind, count in found.items():
                self.masked[kind] = self.masked.get(kind, 0) + count
        if cut:
            self.truncated.append(field)
            return text[:room]
        return text

    def texts(self, field: str, texts: Sequence[str]) -> tuple[str, ...]:
        """Documents: the first ones, each and all together within the limit."""
        kept: list[str] = []
        room = self._limit
        for text in texts[:MAX_DOCUMENTS]:
            if room <= 0:
                break
            kept.append(self._within(field, text, room))
            room -= len(kept[-1])
        if len(kept) < len(texts):
            self.truncated.append(field)
        return tuple(kept)

    def messages(self, field: str, messages: Sequence[Message]) -> tuple[Message, ...]:
        """Messages: the newest ones, all together within the limit."""
        kept: list[Message] = []
        room = self._limit
        for message in reversed(messages[-MAX_ITEMS:]):
            if room <= 0:
                break
            content = message.content
            if content and content != HIDDEN:
                content = self._within(field, content, room)
            parts = self._within(field, message.parts, room) if message.parts else ""
            room -= len(content) + len(parts)
            kept.append(Message(short(message.role), content, parts))
        if len(kept) < len(messages):
            self.truncated.append(field)
        kept.reverse()
        return tuple(kept)

    def tags(self, field: str, tags: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """Tags: scalars only, of bounded number and length."""
        kept: dict[str, Scalar] = {}
        for name, value in tags.items():
            if len(kept) >= MAX_TAGS:
                self.truncated.append(field)
                break
            if isinstance(value, str):
                kept[short(name)] = self.text(field, short(value))
            elif isinstance(value, bool) or (isinstance(value, (int, float)) and abs(value) < 1e15):
                kept[short(name)] = value
        return kept

    def attributes(self, field: str, attributes: Mapping[str, object]) -> dict[str, object]:
        """Attributes that were not understood, bounded in number, depth and length."""
        if len(attributes) > MAX_ATTRIBUTES:
            self.truncated.append(field)
            attributes = dict(islice(attributes.items(), MAX_ATTRIBUTES))
        return {short(name): self._value(value, 0) for name, value in attributes.items()}

    def _value(self, value: object, depth: int) -> object:
        if isinstance(value, str):
            return self._within("attributes", value, self._limit) if value != HIDDEN else value
        if value is None or isinstance(value, (bool, int, float)):
            return _number(value)
        if depth >= MAX_DEPTH:
            self.truncated.append("attributes")
            return "..."
        if isinstance(value, Mapping):
            return {short(str(name)): self._value(item, depth + 1) for name, item in list(value.items())[:MAX_ITEMS]}
        if isinstance(value, (list, tuple)):
            return [self._value(item, depth + 1) for item in value[:MAX_ITEMS]]
        return self.text("attributes", str(value))


def _number(value: object) -> object:
    """The number, or its digits where no JSON or MessagePack number can hold it."""
    if isinstance(value, int):
        return value if -(2**63) < value < 2**63 else str(value)[:MAX_NAME]
    if isinstance(value, float) and value - value != 0:
        return str(value)
    return value
