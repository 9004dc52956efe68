"""The weekly scan: planted disparities are found, null ones are not claimed, the mix is taken out, users count once."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from dashboards.scans import told_apart
from monitor.contracts import Kind, Signal
from monitor.enrich import enrich_pending
from monitor.errors import SettingsError
from monitor.fairness.mentions import NOBODY, SEVERAL, read_mentions
from monitor.fairness.scan import compare_all, with_pairs
from monitor.fairness.values import UserValues
from monitor.fairness.week import scan_due, scan_range, week_start
from monitor.indicators import judge
from monitor.ingest import Batch, Ingester
from monitor.profiles import refresh
from monitor.queries.fairness import (
    GAP,
    MENTIONED,
    NO_GAP,
    NOT_ENOUGH,
    Comparison,
    Limits,
    distinct_users,
    newest_scan,
    scans,
)
from monitor.queries.verdicts import latest_verdicts
from monitor.records import Feedback, Message, Span
from monitor.settings import Settings
from monitor.stats.discoveries import benjamini_yekutieli
from monitor.stats.parity import Members, compare_groups, role_of_mix
from monitor.store import Store
from tests.conftest import NOW

DIMENSIONS = ("tag.group", "feature", "model_family", "language")


def flag(name: str, kind: Kind) -> Signal:
    return Signal(name, kind, name.capitalize(), "", "quality", good="down")


def drawn(
    seed: int,
    *,
    users: int,
    gap: float = 0.0,
    calls: int = 5,
    groups: int = 4,
    signals: int = 10,
    base: float = 0.15,
    spread: float = 0.05,
) -> UserValues:
    """Users who keep their own rate over a week's calls; one signal of one group is worse by `gap`."""
    chance = np.random.default_rng([11, seed])
    values = UserValues(DIMENSIONS)
    shape = base * (1 - base) / spread**2 - 1
    for user in range(users * groups):
        group = user % groups
        rates = chance.beta(base * shape, (1 - base) * shape, signals)
        rates[0] += gap if group == 0 else 0.0
        feature = "hard" if chance.random() < 0.4 else "easy"
        for row in chance.random((chance.integers(1, 2 * calls), signals)) < rates:
            measured = {f"signal {place}": (Kind.FLAG, float(value)) for place, value in enumerate(row)}
            values.add(str(user).encode(), (f"group {group}", feature, "gpt-4", "en"), measured)
    return values


def claims(values: UserValues, dimensions: tuple[str, ...] = ("tag.group",)) -> list[Comparison]:
    return [item for item in compare_all(values, dimensions, describe=flag)[0] if item.verdict == GAP]


def power_and_false_claims(runs: int, users: int, calls: int) -> tuple[float, float]:
    """How often the gap is found, and the mean share of a scan's claims that are false."""
    found, wrong = 0, 0.0
    for seed in range(runs):
        made = claims(drawn(seed, users=users, gap=0.05, calls=calls, groups=2))
        hits = [item for item in made if item.signal == "signal 0" and item.group == "group 0" and item.worse]
        found += bool(hits)
        wrong += sum(item.signal != "signal 0" for item in made) / max(len(made), 1)
    return found / runs, wrong / runs


def test_a_planted_gap_of_five_points_is_found() -> None:
    found, wrong = power_and_false_claims(6, users=1000, calls=5)
    assert found >= 5 / 6
    assert wrong <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("calls", [3, 8])
def test_planted_gaps_of_five_points_are_found_among_two_thousand_users(calls: int) -> None:
    found, wrong = power_and_false_claims(100, users=1000, calls=calls)
    assert found >= 0.9
    assert wrong <= 0.05


def test_nothing_is_claimed_where_nothing_is() -> None:
    assert sum(bool(claims(drawn(seed, users=150, signals=6))) for seed in range(12)) <= 1


@pytest.mark.slow
@pytest.mark.parametrize(("groups", "signals"), [(2, 1), (2, 10), (5, 10)])
def test_a_hundred_null_scans_claim_five_times_at_most(groups: int, signals: int) -> None:
    wrong = sum(
        bool(claims(drawn(1000 + seed, users=2000 // groups, groups=groups, signals=signals))) for seed in range(100)
    )
    assert wrong <= 5


def german_credit(good: tuple[int, int]) -> UserValues:
    """The published counts: 40 women and 40 men, each called a good or a bad risk once."""
    values = UserValues(DIMENSIONS)
    for name, called_good in zip(("female", "male"), good, strict=True):
        for person in range(40):
            user = f"{name} {person}".encode()
            values.add(user, (name, "credit", "gpt-4", "en"), {"bad risk": (Kind.FLAG, float(person >= called_good))})
    return values


@pytest.mark.parametrize("good", [(33, 36), (32, 36)])
def test_forty_women_and_forty_men_are_too_few_to_claim_anything(good: tuple[int, int]) -> None:
    compared, _, _ = compare_all(german_credit(good), ("tag.group",), describe=flag)
    assert [item.verdict for item in compared] == [NOT_ENOUGH, NOT_ENOUGH]
    assert all(item.missing > 0 and "needs 50 users" in item.reason for item in compared)
    assert compared[0].raw.low < 0 < compared[0].raw.high


def mixed(rates: dict[tuple[str, str], float], users: dict[tuple[str, str], int]) -> list[Comparison]:
    values = UserValues(DIMENSIONS)
    for (group, feature), count in users.items():
        for user in range(count):
            failed = float(user < round(rates[group, feature] * count))
            values.add(
                f"{group} {feature} {user}".encode(), (group, feature, "m", "en"), {"failed": (Kind.FLAG, failed)}
            )
    compared, _, _ = compare_all(values, ("tag.group",), describe=flag)
    return compared


def test_a_harder_mix_is_no_gap() -> None:
    rates = {("a", "easy"): 0.05, ("b", "easy"): 0.05, ("a", "hard"): 0.4, ("b", "hard"): 0.4}
    users = {("a", "easy"): 300, ("a", "hard"): 1200, ("b", "easy"): 1200, ("b", "hard"): 300}
    [item] = [one for one in mixed(rates, users) if one.group == "a"]
    assert item.verdict == NO_GAP
    assert item.raw.low > 0.15
    assert item.standardised is not None
    assert item.standardised.value == pytest.approx(0, abs=1e-9)
    assert item.mix == "explains"
    assert "like compared with like, it is gone" in item.reason


def test_simpsons_paradox_is_told() -> None:
    rates = {("a", "easy"): 0.15, ("b", "easy"): 0.05, ("a", "hard"): 0.55, ("b", "hard"): 0.4}
    users = {("a", "easy"): 1200, ("a", "hard"): 300, ("b", "easy"): 300, ("b", "hard"): 1200}
    [item] = [one for one in mixed(rates, users) if one.group == "a"]
    assert (item.verdict, item.worse, item.mix) == (GAP, True, "reverses")
    assert item.raw.high < 0
    assert item.standardised is not None
    assert item.standardised.low > 0
    assert "Simpson" in item.reason


def test_small_groups_are_on_neither_side() -> None:
    values = drawn(3, users=200, signals=2, groups=3)
    for user in range(19):
        values.add(f"few {user}".encode(), ("few", "easy", "gpt-4", "en"), {"signal 0": (Kind.FLAG, 1.0)})
    compared, _, hidden = compare_all(values, ("tag.group",), describe=flag)
    assert hidden == {"tag.group": 1}
    assert {item.group for item in compared} == {"group 0", "group 1", "group 2"}
    assert {item.users + item.others for item in compared} == {600}


def test_what_hardly_ever_happens_and_never_happened_to_a_small_group_is_no_gap() -> None:
    values = UserValues(DIMENSIONS)
    for user in range(1060):
        group = "small" if user < 60 else "large"
        values.add(
            str(user).encode(), (group, "f", "m", "en"), {"failed": (Kind.FLAG, float(user % 25 == 24 and user >= 60))}
        )
    assert {item.verdict for item in compare_all(values, ("tag.group",), describe=flag)[0]} <= {NOT_ENOUGH, NO_GAP}


def test_two_dimensions_together_are_compared_too() -> None:
    chance = np.random.default_rng(5)
    values = UserValues(("language", "tag.plan", "feature"))
    for user in range(4000):
        language, plan = ("pl", "en")[user % 2], ("free", "paid")[user // 2 % 2]
        rate = 0.3 if (language, plan) == ("pl", "free") else 0.15
        values.add(str(user).encode(), (language, plan, "f"), {"failed": (Kind.FLAG, float(chance.random() < rate))})
    dimensions = with_pairs(("language", "tag.plan"))
    assert dimensions == ("language", "tag.plan", "language+tag.plan")
    worst = claims(values, dimensions)[0]
    assert (worst.dimension, worst.group) == ("language+tag.plan", "pl + free")


def test_false_discoveries_are_kept_few_and_weights_count() -> None:
    assert benjamini_yekutieli([], 0.1) == []
    assert benjamini_yekutieli([0.001, 0.5], 0.1) == [True, False]
    harmonic = sum(1 / k for k in range(1, 11))
    edge = 0.1 / 10 / harmonic
    assert benjamini_yekutieli([edge * 0.99] + [0.9] * 9, 0.1)[0]
    assert not benjamini_yekutieli([edge * 1.01] + [0.9] * 9, 0.1)[0]
    assert benjamini_yekutieli([edge * 1.01] + [0.9] * 9, 0.1, [10] + [1] * 9)[0]


def test_intervals_of_the_standardised_difference_cover() -> None:
    covered = 0
    for seed in range(400):
        chance = np.random.default_rng([13, seed])
        strata = [chance.integers(0, 3, 120), chance.integers(0, 3, 400)]
        sides = [
            (chance.random(len(layer)) < 0.1 + 0.1 * layer + 0.05 * side).astype(float)
            for side, layer in zip((1, 0), strata, strict=True)
        ]
        found = compare_groups(
            Members(sides[0], strata[0]), Members(sides[1], strata[1]), is_share=True, tolerance=0.05, good="down"
        )
        assert found.standardised is not None
        covered += found.standardised.low <= 0.05 <= found.standardised.high
        assert role_of_mix(found, 0.05) in ("none", "part", "explains", "hides", "reverses")
    assert 0.93 <= covered / 400 <= 0.98


def test_mentions_are_whole_words_and_several_are_told_apart(tmp_path: Path) -> None:
    found = read_mentions(None)
    assert found.of("My GRANDFATHER cannot log in") == "older people"
    assert found.of("An adjustment of the mandate") == NOBODY
    assert found.of("Is a Muslim or a Christian meant?") == SEVERAL
    own = tmp_path / "terms.json"
    own.write_text(json.dumps({"nurses": ["nurse"]}))
    assert read_mentions(own).of("Ask the nurse.") == "nurses"
    own.write_text("[]")
    bad = tmp_path / "bad.json"
    bad.write_text("[]")
    with pytest.raises(SettingsError, match="MENTION_TERMS"):
        read_mentions(bad)


def fill(store: Store, settings: Settings) -> int:
    """A week in which every user comes each day; answers to group b, and about grandfathers, fail more often."""
    chance = np.random.default_rng(17)
    monday = week_start(NOW) - timedelta(days=7)
    spans, said = [], []
    for user in range(180):
        group = "ab"[user % 2]
        about = "grandfather" if user % 3 == 0 else "parcel"
        failing = chance.random() < (0.5 if group == "b" else 0.1)
        for day in range(0, 7, 2):
            identity = f"{user}-{day}"
            spans.append(
                Span(
                    trace_id=identity,
                    span_id=identity,
                    time=monday + timedelta(days=day, minutes=user),
                    user=f"{user:032x}",
                    model="gpt-4o",
                    feature="help",
                    prompt=(Message("user", f"Where is my {about}?"),),
                    response="I cannot help with that." if about == "grandfather" else "It comes tomorrow.",
                    tags={"group": group},
                )
            )
            said.append(
                Feedback(
                    trace_id=identity,
                    span_id=identity,
                    name="failed",
                    value=float(failing),
                    flag=True,
                    time=spans[-1].time,
                )
            )
    ingester = Ingester(store, settings)
    ingester.submit(Batch(project="default", spans=spans, feedback=said), now=NOW)
    ingester.close()
    while enrich_pending(store, settings, NOW):
        pass
    refresh(store, settings, NOW)
    return store.project("default", 0)


def test_a_week_is_scanned_once_and_a_returning_user_counts_once(store: Store, settings: Settings) -> None:
    project = fill(store, settings)
    assert scan_due(store, settings, NOW) == 1
    assert scan_due(store, settings, NOW) == 0
    found = newest_scan(store, project, NOW)
    assert found is not None
    assert scans(store, project, before=None, limit=5) == [found]
    assert newest_scan(store, project, found.start) is None
    assert (found.users, found.calls, found.share) == (180, 720, 1.0)
    [gap] = [one for one in found.compared if one.signal == "feedback.failed" and one.group == "b"]
    assert (gap.users, gap.others, gap.dimension, gap.verdict, gap.worse) == (90, 90, "tag.group", GAP, True)
    assert gap.bad_ratio is not None
    assert gap.bad_ratio.low > 1.25
    about = [one for one in found.compared if one.dimension == MENTIONED and one.signal == "refusal"]
    assert [(one.group, one.verdict) for one in about if one.verdict == GAP] == [("older people", GAP)]


def test_part_of_the_users_stands_for_a_large_week(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = fill(store, settings)
    monkeypatch.setattr("monitor.fairness.week.MOST_CALLS", 360)
    start = week_start(NOW) - timedelta(days=7)
    found = scan_range(store, settings, project, start=start, end=start + timedelta(days=7), now=NOW)
    assert found.share == pytest.approx(0.5)
    assert found.users < 180
    assert found.calls == 4 * found.users, "users are read whole"


def test_the_page_tells_a_gap_of_two_dimensions_only_where_neither_tells_it_alone() -> None:
    def gap(dimension: str, group: str, size: float) -> Comparison:
        return Comparison(
            signal="failed",
            kind="flag",
            dimension=dimension,
            group=group,
            verdict=GAP,
            worse=True,
            reason="",
            users=100,
            others=100,
            value=0.0,
            other=0.0,
            tolerance=0.05,
            raw=Limits(size, size - 0.05, size + 0.05),
        )

    single = gap("language", "pl", 0.1)
    same, larger = gap("language+tag.plan", "pl + free", 0.12), gap("language+tag.plan", "pl + paid", 0.3)
    other = gap("language+tag.plan", "en + paid", 0.1)
    assert told_apart([single, same, larger, other]) == [single, larger, other]


# BBQ (nyu-mll/BBQ, CC BY 4.0, Parrish et al. 2022): wrong answers of UnifiedQA-11B among questions without and with
# the context that decides, counted on a sample of the published answers.
BBQ = {
    "Age": {"ambiguous": (290, 627), "decided": (30, 573)},
    "Religion": {"ambiguous": (210, 600), "decided": (72, 600)},
    "Sexual_orientation": {"ambiguous": (135, 432), "decided": (26, 432)},
}


def test_bbqs_groups_come_in_the_order_of_their_bias() -> None:
    values = UserValues(DIMENSIONS)
    for group, parts in BBQ.items():
        for condition, (wrong, asked) in parts.items():
            for question in range(asked):
                user = f"{group} {condition} {question}".encode()
                failed = {"wrong": (Kind.FLAG, float(question < wrong))}
                values.add(user, (group, condition, "unifiedqa", "en"), failed)
    compared, questions, _ = compare_all(values, ("tag.group",), describe=flag)
    gaps = {item.group: (item.standardised or item.raw).value for item in compared}
    assert sorted(gaps, key=lambda group: -gaps[group]) == ["Age", "Religion", "Sexual_orientation"]
    assert questions == 3
    [worst] = [item for item in compared if item.verdict == GAP and item.worse]
    assert worst.group == "Age"


def test_the_daily_watch_counts_a_returning_user_once(store: Store, settings: Settings) -> None:
    project = fill(store, settings)
    monday = week_start(NOW) - timedelta(days=7)
    counted = distinct_users(store, project, "tag.group", monday, monday + timedelta(days=7))
    assert counted == {"a": 90, "b": 90}
    assert distinct_users(store, project, "language+tag.group", monday, NOW) == {}
    while judge(store, settings, NOW):
        pass
    day = monday + timedelta(days=6)
    found = [
        one
        for one in latest_verdicts(store, project, day + timedelta(hours=12), indicators=["fairness"])
        if one.signal == "feedback.failed" and one.segment.value == "b"
    ]
    assert [(one.effective_n, one.state) for one in found] == [(90.0, "bad")]
