"""What can be plugged in, on one page.

Every kind below is a value that a module of its folder defines at top level; `collect` finds it there. Adding one is
adding one file; nothing else is edited.

==============  =========================  ====================================================
kind            folder                     a file gives
==============  =========================  ====================================================
Enricher        monitor/enrich             signals of a call, computed from the call alone
Judge           monitor/judges             a question that a model is asked about calls
Indicator       monitor/indicators         a verdict for every stream it applies to
Dialect         monitor/ingest/dialects    spans out of one telemetry vocabulary
Channel         monitor/alerts/channels    a way to tell people
Job             monitor/tasks              work done on a schedule, once per slot
Page            dashboards/pages           a page of the dashboard
==============  =========================  ====================================================

The narrow waist is the `Signal`: enrichers emit signals of a declared kind; profiles, drift and fairness know kinds,
never names. Results sit in one narrow table of verdicts. So neither a new signal nor a new indicator needs a migration.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from msgspec import Struct

from monitor.clock import BlockLength
from monitor.errors import PluginError

if TYPE_CHECKING:
    from monitor.profile import Profile
    from monitor.records import Feedback, Span
    from monitor.settings import Settings
    from monitor.store import Store

Family = Literal["usage", "cost", "drift", "quality", "safety", "fairness", "pulse"]
Direction = Literal["up", "down"]


class Kind(StrEnum):
    """What sort of value a signal has; all statistics are chosen by it."""

    NUMBER = "number"
    CATEGORY = "category"
    FLAG = "flag"
    VECTOR = "vector"


SignalValue = float | int | str | bool | Sequence[float]


@dataclass(frozen=True)
class Signal:
    """A named value of one call.

    `name` is stored for ever. `good` is the direction that is better, None where neither is. `relevant` is the smallest
    change of the mean worth anyone's attention: relative for numbers (0.1 is ten per cent), absolute for shares of
    flags and categories (0.05 is five points). A value may be absent: "not measured" is never zero. `misleads` says
    when not to trust it. `weight` is its share of the false-alarm allowance beside other signals: what people act on
    first deserves more of it; what another signal already says in one figure has none, and is shown but not judged.
    """

    name: str
    kind: Kind
    title: str
    description: str
    family: Family
    unit: str = ""
    good: Direction | None = None
    relevant: float | None = None
    misleads: str = ""
    weight: float = 1.0

    @property
    def relevant_change(self) -> float:
        """`relevant`, or the default of the kind."""
        if self.relevant is not None:
            return self.relevant
        return 0.1 if self.kind is Kind.NUMBER else 0.05


@dataclass(frozen=True)
class Enricher:
    """Computes signals from calls alone: no store, no clock, no network.

    `compute` gets a batch of calls and the settings, and answers one mapping per call, in order: signal name to value,
    absent where it cannot be measured. A vector is a sequence of floats. Raise `version` when values change, so that
    old ones can be computed again.
    """

    name: str
    version: int
    signals: tuple[Signal, ...]
    compute: Callable[[Sequence[Span], Settings], list[dict[str, SignalValue]]]


def each(
    function: Callable[[Span], dict[str, SignalValue]],
) -> Callable[[Sequence[Span], Settings], list[dict[str, SignalValue]]]:
    """Makes a batch function out of one that looks at a single call and needs no settings."""

    def compute(calls: Sequence[Span], settings: Settings) -> list[dict[str, SignalValue]]:  # noqa: ARG001
        return [function(call) for call in calls]

    return compute


JudgeNeed = Literal["prompt", "response", "context", "reference"]


@dataclass(frozen=True)
class Judge:
    """A question that a judge model is asked about one call; what it scores becomes feedback `judge.<name>`.

    `template` holds `{prompt}`, `{response}`, `{context}` and `{reference}` where these texts go; it asks for a score
    from 0 to 1. A call that lacks one of `needs` is not judged. `labels` are names of human feedback on the same
    question (flags or shares from 0 to 1), against which the judge is checked. More is better unless the name says
    otherwise (`monitor.signals.feedback_signal`). Raise `version` with every change of the words: judgements of
    different versions are kept apart.
    """

    name: str
    version: int
    title: str
    template: str
    needs: tuple[JudgeNeed, ...]
    labels: tuple[str, ...] = ()


State = Literal["ok", "moved", "bad", "too_few", "no_data"]

PAIR_SEPARATOR = " + "
"""Stands between the values of a pair."""


@dataclass(frozen=True)
class Segment:
    """A slice of traffic: one dimension (`model`, `tag.plan`) or a declared pair (`model_family+feature`).

    The whole project is the segment with an empty dimension and value. The values of a pair are joined by `" + "`.
    """

    dimension: str = ""
    value: str = ""

    def __str__(self) -> str:
        return f"{self.dimension} {self.value}" if self.dimension else "all traffic"

    @property
    def parts(self) -> dict[str, str]:
        """The value in each of its dimensions; empty for the whole project."""
        names = self.dimension.split("+") if self.dimension else []
        return dict(zip(names, self.value.split(PAIR_SEPARATOR, max(len(names) - 1, 0)), strict=False))

    def holds(self, other: Segment) -> bool:
        """True where all calls of the other segment are in this one."""
        return self.parts.items() <= other.parts.items()


WHOLE = Segment()


@dataclass(frozen=True)
class Block:
    """One closed time bucket of one stream."""

    start: datetime
    profile: Profile


DAYS_A_USER = "days_a_user"
DAYS_A_USER_OF_OTHERS = "days_a_user_of_others"
"""Facts for indicators against others: on how many days of the window a user came, on average, on either side."""


@dataclass(frozen=True)
class Evidence:
    """All that an indicator may look at for one stream, that is one signal in one segment.

    `current` is the window under judgement: the newest closed block, or several where traffic is thin. `reference` is
    the healthy past, block by block (for indicators against "others": the rest of the dimension in the same window).
    `looks` is one over this judgement's share of the false-alarm allowance of a quarter. `now` is
    the time as of which the judgement is made. `facts` are the monitor's own numbers, for indicators of the pulse.
    `changed` holds, while an alert is open on the stream, every block since its change; `reference` ends before it.
    `brief` is true where only an alarm will be looked at: of any other answer the state is enough.
    """

    signal: Signal
    segment: Segment
    start: datetime
    end: datetime
    now: datetime
    current: tuple[Block, ...]
    reference: tuple[Block, ...]
    looks: int
    facts: Mapping[str, float] = field(default_factory=dict)
    changed: tuple[Block, ...] = ()
    brief: bool = False


@dataclass(frozen=True)
class Verdict:
    """The answer of an indicator for one stream and window.

    `value`, `low`, `high` and `baseline` are in the unit of the signal; the interval is for `value` unless `detail`
    says otherwise. `effect` is the change against the baseline with `effect_low` and `effect_high`. `n` counts calls,
    `effective_n` independent units (users in blocks). `reason` is one sentence for people. `detail` holds further
    numbers worth showing, such as distances (PSI, Jensen-Shannon, Wasserstein, KS) or how many calls are missing.
    """

    state: State
    reason: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    effective_n: float = 0.0
    baseline: float | None = None
    effect: float | None = None
    effect_low: float | None = None
    effect_high: float | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Rule:
    """When a verdict becomes an alert.

    An alert fires when the verdict is in one of `states` for `for_blocks` windows in a row, and resolves after
    `clear_blocks` windows in which it is not. `notify` false keeps it on the pages and out of the mails.
    """

    states: tuple[State, ...] = ("moved", "bad")
    for_blocks: int = 1
    clear_blocks: int = 3
    notify: bool = True


@dataclass(frozen=True)
class Amount:
    """What an indicator of amounts adds up: the calls that have the signal, or its `sum`; called `noun` in sentences.

    A change by `factor` up or down is the smallest that matters, and that to the `worse` side gets worse.
    """

    of: Literal["calls", "sum"]
    noun: str
    factor: float
    worse: Direction


@dataclass(frozen=True)
class Indicator:
    """One question with a pure function that answers it.

    `applies` chooses the signals. `against` is what the current window is compared with: the stream's own "past", the
    "others" of the same dimension, or nothing but the monitor's own `facts` ("pulse", judged once for the project).
    `overall_only` restricts it to the whole project. Those against the past are also asked of closed hours, by the kind
    of the signal alone (`monitor.detectors`), unless `hourly` is false. One that has an `amount` judges how much there
    is of something against a forecast, by the day and by the hour.
    """

    name: str
    family: Family
    title: str
    question: str
    applies: Callable[[Signal], bool]
    compute: Callable[[Evidence], Verdict]
    against: Literal["past", "others", "pulse"] = "past"
    block: BlockLength = BlockLength.DAY
    overall_only: bool = False
    hourly: bool = True
    amount: Amount | None = None
    rule: Rule | None = None


class Decoded(Struct, frozen=True):
    """What a dialect made of one telemetry span: the record, and feedback that came with it.

    `unmapped` names the attributes that the dialect does not know; they are kept in the span all the same.
    """

    span: Span
    feedback: tuple[Feedback, ...] = ()
    unmapped: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dialect:
    """One telemetry vocabulary.

    `recognises` tells by the attribute names whether a span speaks it; of those that do, the one with the highest
    `priority` is asked. The rest is data: for each canonical field the attribute names that may carry it, first present
    wins.
    """

    name: str
    priority: int
    recognises: Callable[[Mapping[str, Any]], bool]
    decode: Callable[[Any], Decoded]


@dataclass(frozen=True)
class Notification:
    """What is to be said, ready for any channel: plain words, numbers already formatted.

    `key` names the trouble; notifications with one key belong to one thread. `data` is the machine-readable form.
    """

    key: str
    kind: Literal["opened", "worse", "resolved", "summary"]
    project: str
    subject: str
    text: str
    html: str
    data: Mapping[str, Any]
    created: datetime


@dataclass(frozen=True)
class Delivery:
    """How an attempt to deliver ended: `retry` is true where trying again may help."""

    ok: bool
    note: str
    retry: bool = False


@dataclass(frozen=True)
class Channel:
    """A way to tell people. `send` never raises: it answers a Delivery with a note that holds no secret."""

    name: str
    configured: Callable[[Settings], bool]
    send: Callable[[Notification, Settings], Delivery]


@dataclass(frozen=True)
class JobContext:
    """What a job gets: the store, the settings and the time as of which it works."""

    store: Store
    settings: Settings
    now: datetime


@dataclass(frozen=True)
class Job:
    """Work done on a schedule. `run` answers how many things it did, and a note for people."""

    name: str
    every_seconds: int
    order: int
    description: str
    run: Callable[[JobContext], tuple[int, str]]


class PageLayout(Protocol):
    """Builds the component tree of a page for one request."""

    def __call__(self, request: Any) -> Any: ...


@dataclass(frozen=True)
class Page:
    """A page of the dashboard: `layout` reads through `monitor.queries` only.

    The navigation lists pages by `order`, under the heading `section` of the first that names it.
    """

    path: str
    title: str
    icon: str
    order: int
    layout: PageLayout
    callbacks: Callable[[Any, Any], None] | None = None
    section: str = "More"


Plugin = TypeVar("Plugin", Enricher, Judge, Indicator, Dialect, Channel, Job, Page)


def collect(package: ModuleType, kind: type[Plugin]) -> dict[str, Plugin]:
    """All plug-ins of a kind that the modules of a package define, by name, in the order of the module names.

    Raises PluginError where two have the same name or a module defines none.
    """
    found: dict[str, Plugin] = {}
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda item: item.name):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        values = [value for value in vars(module).values() if isinstance(value, kind)]
        if not values:
            raise PluginError(f"{module.__name__} defines no {kind.__name__}.")
        for value in values:
            name = value.path if isinstance(value, Page) else value.name
            if name in found:
                raise PluginError(
                    f"Two plug-ins of kind {kind.__name__} are called {name!r}; one is in {module.__name__}."
                )
            found[name] = value
    return found
