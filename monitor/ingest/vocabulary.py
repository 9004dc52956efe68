"""Attribute names and what they mean: the tables that dialects are made of, and how a span's attributes go through one.

Each attribute is looked up once. Where several names of one field are present, the first of its list wins. What a
vocabulary does not know is kept with the span and counted, so that a new or misspelt name is noticed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

COMMON_FIELDS: dict[str, tuple[str, ...]] = {
    "session": ("session.id", "gen_ai.conversation.id", "llmops.session_id"),
    "user": (
        "user.id",
        "enduser.id",
        "llmops.user_id",
        "metadata.user_api_key_end_user_id",
        "metadata.user_api_key_user_id",
    ),
    "environment": ("deployment.environment.name", "deployment.environment", "llmops.environment"),
    "release": ("service.version", "llmops.release"),
    "feature": ("llmops.feature", "feature", "app.feature"),
    "prompt_version": ("llmops.prompt_version",),
    "cost": ("llmops.cost_usd",),
    "error_type": ("error.type", "exception.type"),
    "error_message": ("error.message", "exception.message"),
    "tag_list": ("tag.tags",),
    "metadata": ("metadata",),
    "withheld": ("metadata.user_api_key_user_email", "metadata.user_api_key_hash", "metadata.requester_ip_address"),
}
"""Names that mean the same in every dialect. What is withheld tells who somebody is, and is not kept."""

COMMON_GROUPS: dict[str, str] = {
    "metadata.": "metadata",
    "tag.": "tags",
    "llmops.tag.": "tags",
    "annotations.": "annotations",
    "evaluations.": "annotations",
    "trace.annotations.": "trace_annotations",
    "session.annotations.": "session_annotations",
}

CONVENTIONS = (
    "server.",
    "client.",
    "network.",
    "net.",
    "http.",
    "url.",
    "user_agent.",
    "db.",
    "rpc.",
    "messaging.",
    "code.",
    "thread.",
    "exception.",
    "error.",
    "peer.",
    "otel.",
    "resource.",
    "aws.",
    "faas.",
    "enduser.",
    "session.",
    "user.",
)
"""Beginnings of names that OpenTelemetry defines and that say nothing of a call: kept, and not counted as unknown."""


COUNTS = ("gen_ai.usage.", "llm.usage.", "llm.token_count.", "ai.usage.")
"""Beginnings of names that count tokens. Dialects keep what they do not know of a wider name space without a word, but
not these: a misspelt or new name of a count is a wrong cost."""

_FIELD, _GROUP, _DROPPED, _KEPT, _UNKNOWN = range(5)
# What becomes of an attribute: the sort; its field or group; its rank among the names of the field; the name within the
# group.
_Place = tuple[int, str, int, str]
_LONGEST_REMEMBERED = 100
_MOST_REMEMBERED = 4_096


@dataclass(frozen=True)
class Vocabulary:
    """The names of a dialect.

    `fields` lists, for each canonical field, the attribute names that may carry it. `groups` maps the beginning of
    flattened names (`llm.input_messages.`) to the group they belong to. `kept` are names and beginnings that are known
    and kept as they are; `dropped` are names that only repeat what other fields say.
    """

    fields: Mapping[str, Sequence[str]]
    groups: Mapping[str, str] = field(default_factory=dict)
    kept: Sequence[str] = ()
    dropped: Sequence[str] = ()
    _places: dict[str, _Place] = field(init=False, repr=False, compare=False, default_factory=dict)
    _index: dict[str, tuple[str, int]] = field(init=False, repr=False, default_factory=dict)
    _groups: tuple[tuple[str, str], ...] = field(init=False, repr=False, default=())
    _prefixes: tuple[str, ...] = field(init=False, repr=False, default=())
    _kept: tuple[str, ...] = field(init=False, repr=False, default=())
    _dropped: frozenset[str] = field(init=False, repr=False, default=frozenset())

    def __post_init__(self) -> None:
        for source in (COMMON_FIELDS, self.fields):
            for name, aliases in source.items():
                # A dialect's own names come before the common ones.
                start = 0 if source is self.fields else 100
                for rank, alias in enumerate(aliases, start):
                    self._index[alias] = (name, rank)
        groups = tuple(sorted({**COMMON_GROUPS, **self.groups}.items(), key=lambda item: -len(item[0])))
        object.__setattr__(self, "_groups", groups)
        object.__setattr__(self, "_prefixes", tuple(prefix for prefix, _ in groups))
        object.__setattr__(self, "_kept", (*CONVENTIONS, *self.kept))
        object.__setattr__(self, "_dropped", frozenset(self.dropped))

    def sort(self, attributes: Mapping[str, Any]) -> Sorted:
        """Sorts attributes into fields, groups and the rest."""
        found = Sorted()
        ranks: dict[str, int] = {}
        places, fields = self._places, found.fields
        for name, value in attributes.items():
            sort, target, rank, rest = places.get(name) or self._place(name)
            if sort == _FIELD:
                if value is not None and value != "" and rank < ranks.get(target, 1_000):
                    fields[target] = value
                    ranks[target] = rank
            elif sort == _GROUP:
                found.groups.setdefault(target, []).append((rest, value))
            elif sort != _DROPPED:
                found.rest[name] = value
                if sort == _UNKNOWN:
                    found.unmapped.append(name)
        return found

    def _place(self, name: str) -> _Place:
        """Where an attribute goes; remembered, since the same names come in every span."""
        place = self._looked_up(name)
        if len(name) <= _LONGEST_REMEMBERED:
            if len(self._places) >= _MOST_REMEMBERED:
                self._places.clear()
            self._places[name] = place
        return place

    def _looked_up(self, name: str) -> _Place:
        entry = self._index.get(name)
        if entry is not None:
            return _FIELD, *entry, ""
        if name.startswith(self._prefixes):
            prefix, group = next(item for item in self._groups if name.startswith(item[0]))
            return _GROUP, group, 0, name[len(prefix) :]
        if name in self._dropped:
            return _DROPPED, "", 0, ""
        counts = next((prefix for prefix in COUNTS if name.startswith(prefix)), "")
        kept = any(name.startswith(prefix) and len(prefix) > len(counts) for prefix in self._kept)
        return _KEPT if kept else _UNKNOWN, "", 0, ""


class Sorted(Struct):
    """A span's attributes by meaning. `rest` is kept with the span; `unmapped` are the names in it nobody knows."""

    fields: dict[str, Any] = {}
    groups: dict[str, list[tuple[str, Any]]] = {}
    rest: dict[str, Any] = {}
    unmapped: list[str] = []

    def text(self, name: str) -> str:
        """A field as text, empty where it is absent."""
        value = self.fields.get(name)
        if value is None:
            return ""
        return value if isinstance(value, str) else str(value)


class _Node(dict[str, Any]):
    """What names spell, unlike an object that was sent as a value."""


def unflatten(entries: Sequence[tuple[str, Any]]) -> Any:
    """The nested value that flattened names spell: `0.message.role` is the role of the message of the first item."""
    root = _Node()
    for path, value in entries:
        node = root
        *parents, last = path.split(".", 11)
        for name in parents:
            child = node.get(name)
            if not isinstance(child, _Node):
                child = node[name] = _Node()
            node = child
        if not isinstance(node.get(last), _Node):
            node[last] = value
    return _listed(root)


def _listed(node: Any) -> Any:
    if not isinstance(node, _Node):
        return node
    if node and all(name.isdecimal() and len(name) < 7 for name in node):
        return [_listed(node[name]) for name in sorted(node, key=int)]
    return {name: _listed(item) for name, item in node.items()}


def items_of(entries: Sequence[tuple[str, Any]] | None) -> list[dict[str, Any]]:
    """The items of a flattened list that are objects."""
    value = unflatten(entries) if entries else None
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
