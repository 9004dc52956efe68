"""Cost truth: cached tokens counted once, the application's cache, history priced anew, an invoice held against it."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from monitor import cli
from monitor.clock import BlockLength, block_start
from monitor.costs.invoice import Charge, Logged, normal_model, read_invoice, reconcile
from monitor.costs.repricing import reprice
from monitor.enrich import enrich_pending, enrich_span
from monitor.errors import InputError, SettingsError
from monitor.ingest import Batch, Ingester
from monitor.ingest.call_record import read_call
from monitor.ingest.tokens import recounted
from monitor.prices import PriceList
from monitor.profiles import refresh
from monitor.queries.spend import spend_by_day
from monitor.queries.usage import usage
from monitor.records import Span, Tokens
from monitor.settings import Settings
from monitor.store import Store
from tests.conftest import NOW
from tests.enrichments import stored_signals

YESTERDAY = NOW - timedelta(days=1)


def prices(folder: Path, *entries: dict[str, Any]) -> Path:
    path = folder / "prices.json"
    path.write_text(json.dumps({"prices": list(entries)}))
    return path


def recorded(**record: Any) -> Span:
    return read_call({"id": "1", "time": "2026-03-10T12:00:00Z", "provider": "anthropic", **record}, NOW).span


# Claude Sonnet 4.5 costs $3 in and $15 out for a million tokens; read from the cache $0.30, written $3.75 for five
# minutes and $6 for an hour. GPT-4o (2024-08-06) costs $2.50 in, $1.25 cached and $10 out.
SONNET = "claude-sonnet-4-5-20250929"


@pytest.mark.parametrize(
    ("usage_object", "model", "provider", "dollars"),
    [
        pytest.param(
            # Langfuse 10592: 17,903 tokens of input of which 17,814 were cached came out as 35,720.
            {"prompt_tokens": 17_903, "completion_tokens": 100, "prompt_tokens_details": {"cached_tokens": 17_814}},
            "gpt-4o-2024-08-06",
            "openai",
            (89 * 2.5 + 17_814 * 1.25 + 100 * 10) / 1e6,
            id="cached tokens are part of OpenAI's input",
        ),
        pytest.param(
            # Langfuse 12306: Anthropic's cache came out at twice its cost.
            {"input_tokens": 5_000, "output_tokens": 100, "cache_read_input_tokens": 2_000},
            SONNET,
            "anthropic",
            (5_000 * 3 + 2_000 * 0.3 + 100 * 15) / 1e6,
            id="cached tokens come on top of Anthropic's input, also where they are fewer",
        ),
        pytest.param(
            # LangSmith 2519: the rest of the input came out at nothing, and the hour's cache was not found.
            {
                "input_tokens": 10,
                "output_tokens": 5,
                "cache_read_input_tokens": 1_000,
                "cache_creation_input_tokens": 300,
                "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
            },
            SONNET,
            "anthropic",
            (10 * 3 + 1_000 * 0.3 + 100 * 3.75 + 200 * 6 + 5 * 15) / 1e6,
            id="what is written for an hour costs more than for five minutes",
        ),
        pytest.param(
            {"prompt_tokens": 100, "completion_tokens": 500, "completion_tokens_details": {"reasoning_tokens": 400}},
            "gpt-4o-2024-08-06",
            "openai",
            (100 * 2.5 + 500 * 10) / 1e6,
            id="reasoning tokens are part of the output",
        ),
    ],
)
def test_cached_tokens_cost_what_they_cost(usage_object: Any, model: str, provider: str, dollars: float) -> None:
    span = recorded(usage=usage_object, model=model, provider=provider, prompt="?", response="!")
    assert enrich_span(span, Settings())["cost_usd"] == pytest.approx(dollars, rel=1e-9)


def test_a_hit_in_the_applications_cache_costs_nothing_and_says_what_it_saved() -> None:
    tokens = {"input_tokens": 1_000, "output_tokens": 100}
    paid = enrich_span(recorded(model=SONNET, **tokens), Settings())
    hit = enrich_span(recorded(model=SONNET, tags={"cache_hit": True}, cost_usd=0.5, **tokens), Settings())
    assert (hit["cost_usd"], hit["cost_source"]) == (0.0, "cache")
    assert hit["saved_usd"] == paid["cost_usd"] == pytest.approx((1_000 * 3 + 100 * 15) / 1e6)
    assert "saved_usd" not in paid
    missed = enrich_span(recorded(model=SONNET, tags={"cache_hit": "false"}, **tokens), Settings())
    assert missed["cost_source"] == "catalogue"


def test_the_senders_figure_is_kept_beside_the_list_price() -> None:
    span = recorded(model=SONNET, input_tokens=1_000, output_tokens=0, cost_usd=0.004)
    found = enrich_span(span, Settings())
    assert (found["cost_usd"], found["cost_source"]) == (0.004, "sender")
    assert found["cost_gap"] == pytest.approx(0.35)
    near = recorded(model=SONNET, input_tokens=1_000, output_tokens=0, cost_usd=0.003001)
    assert enrich_span(near, Settings())["cost_gap"] == 0
    assert "cost_gap" not in enrich_span(recorded(model="nobody-sells-it", cost_usd=1, prompt="?"), Settings())


def test_own_prices_know_tiers_and_long_requests(tmp_path: Path) -> None:
    own = PriceList(
        prices(
            tmp_path,
            {"model": "m", "input": 4, "output": 8},
            {"model": "m", "input": 8, "output": 16, "above": 200_000},
            {"model": "m", "input": 2, "output": 4, "service_tier": "batch"},
        )
    )

    def price(tier: str = "", tokens: int = 10) -> float | None:
        rates = own.find("any", "m", NOW, tier, tokens)
        return None if rates is None or rates.input is None else rates.input * 1e6

    assert price() == pytest.approx(4)
    assert price(tokens=200_000) == pytest.approx(4)
    assert price(tokens=200_001) == pytest.approx(8)
    assert price("Batch") == pytest.approx(2)
    assert price("priority") == pytest.approx(4)
    with pytest.raises(SettingsError, match="above is negative"):
        PriceList(prices(tmp_path, {"model": "m", "input": 1, "output": 1, "above": -1}))


def test_a_senders_rule_can_be_set(store: Store, settings: Settings) -> None:
    ruled = settings.model_copy(update={"usage_rules": ("gateway=exclusive",)})
    ingester = Ingester(store, ruled)
    tokens = Tokens(input_uncached=600, input_cache_read=400, output_text=10, rule="inclusive")
    for number, sender in enumerate(("gateway", "another")):
        span = Span(trace_id=f"{number}", span_id=f"{number}", time=YESTERDAY, model=SONNET, tokens=tokens)
        ingester.submit(Batch(project="rules", spans=[span], sender=sender), now=NOW)
    ingester.close()
    assert enrich_pending(store, ruled, NOW) == 2
    costs = sorted(signals["cost_usd"] for signals in stored_signals(store))
    assert costs == pytest.approx([(600 * 3 + 400 * 0.3 + 150) / 1e6, (1_000 * 3 + 400 * 0.3 + 150) / 1e6])


def test_a_rule_that_cannot_hold_changes_nothing() -> None:
    tokens = Tokens(input_uncached=10, input_cache_read=400, rule="exclusive")
    assert recounted(tokens, "inclusive") is tokens
    assert recounted(Tokens(input_uncached=10), "exclusive") == Tokens(input_uncached=10)


@pytest.mark.parametrize("entry", ["gateway", "gateway=often", "=inclusive"])
def test_a_rule_that_is_none_is_refused(entry: str) -> None:
    with pytest.raises(SettingsError, match="SENDER=inclusive"):
        Settings(usage_rules=(entry,))


def filled(store: Store, settings: Settings, count: int = 700) -> int:
    """So many calls of a model without a price, yesterday, and one call with a sender's cost."""
    ingester = Ingester(store, settings)
    spans = [
        Span(
            trace_id=f"t{number}",
            span_id=f"s{number}",
            time=YESTERDAY + timedelta(seconds=number),
            model="house-model",
            prompt=(),
            response="Yes." * 3,
            tokens=Tokens(input_uncached=1_000, output_text=500),
        )
        for number in range(count)
    ]
    paid = Span(trace_id="paid", span_id="paid", time=YESTERDAY, model="house-model", response="!", cost_usd=0.25)
    ingester.submit(Batch(project="costs", spans=[*spans, paid]), now=NOW)
    ingester.close()
    while enrich_pending(store, settings, NOW):
        pass
    refresh(store, settings, NOW)
    return store.project("costs", 0)


def day_cost(store: Store, project: int) -> tuple[float | None, int]:
    start = block_start(YESTERDAY, BlockLength.DAY)
    total = usage(store, project, BlockLength.DAY, start, start + timedelta(days=1)).total
    return total.cost_usd, total.unpriced


def test_history_is_priced_anew_and_its_profiles_follow(store: Store, settings: Settings, tmp_path: Path) -> None:
    project = filled(store, settings)
    assert day_cost(store, project) == (0.25, 700)
    before = stored_signals(store)
    priced = settings.model_copy(
        update={"price_overrides": prices(tmp_path, {"model": "house-model", "input": 2, "output": 4})}
    )
    tried = reprice(store, priced, project, NOW, dry_run=True).total
    assert (tried.calls, tried.changed, tried.unpriced_before, tried.unpriced_after) == (701, 700, 700, 0)
    assert stored_signals(store) == before
    told: list[int] = []
    found = reprice(store, priced, project, NOW, done=told.append)
    assert found.total.after == pytest.approx(0.25 + 700 * 0.004)
    assert told == [500, 701]
    refresh(store, priced, NOW)
    assert day_cost(store, project) == (pytest.approx(0.25 + 2.8), 0)
    after = stored_signals(store)
    prices_of = {"cost_usd", "cost_source"}
    for signals, earlier in zip(after, before, strict=True):
        old = {name: value for name, value in earlier.items() if name not in prices_of}
        assert {name: value for name, value in signals.items() if name not in prices_of} == old
    assert reprice(store, priced, project, NOW).total.changed == 0


def test_only_the_range_is_priced(store: Store, settings: Settings, tmp_path: Path) -> None:
    project = filled(store, settings, count=10)
    priced = settings.model_copy(
        update={"price_overrides": prices(tmp_path, {"model": "house-model", "input": 2, "output": 4})}
    )
    found = reprice(store, priced, project, NOW, start=YESTERDAY + timedelta(seconds=5), end=NOW)
    assert found.total.calls == 5


def invoice(folder: Path, text: str) -> Path:
    path = folder / "invoice.csv"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        'start_time_iso,amount_value,line_item\n2026-03-10T00:00:00+00:00,1.50,"gpt-4o-2024-08-06, input"\n'
        '2026-03-10T00:00:00+00:00,0.50,"gpt-4o-2024-08-06, output"\n',
        "usage_date_utc;model;cost_usd\n2026-03-10;gpt-4o;2.00\n",
        "\ufeffstart_time,model,amount\n1773100800,openai/GPT-4o,$2.00\n",
    ],
)
def test_invoices_of_several_shapes_are_read(tmp_path: Path, text: str) -> None:
    charges = read_invoice(invoice(tmp_path, text))
    assert {charge.day for charge in charges} == {date(2026, 3, 10)}
    assert {charge.model for charge in charges} == {"gpt-4o"}
    assert sum(charge.cost for charge in charges) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("when,what,much\n1,2,3\n", "no column for day; say which with --map day=COLUMN"),
        ("day,model,cost\n2026-03-10,m,much\n", ":2: cost is no amount"),
        ("day,model,cost\nyesterday,m,1\n", ":2: day is no day"),
        ("day,model,cost\n", "has no charge"),
    ],
)
def test_an_invoice_that_cannot_be_read_says_why(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        read_invoice(invoice(tmp_path, text))


def test_differences_have_likely_reasons() -> None:
    day = date(2026, 3, 10)
    models = ("agrees", "unlogged", "unpriced", "cached", "gap")
    charges = [Charge(day, model, 10.0) for model in models]
    logged = {
        (day, "agrees"): Logged(9.95, 10, 0),
        (day, "unpriced"): Logged(6.0, 10, 4),
        (day, "cached"): Logged(14.0, 10, 0, 0.6),
        (day, "gap"): Logged(8.0, 10, 0),
        (day, "own"): Logged(3.0, 10, 0),
        (day - timedelta(days=1), "own"): Logged(3.0, 10, 0),
    }
    found = {line.model: line for line in reconcile(charges, logged, 0.01)}
    assert {name: line.reason for name, line in found.items()} == {
        "agrees": "",
        "unlogged": "not logged",
        "unpriced": "no price",
        "cached": "cached tokens",
        "gap": "gap",
        "own": "not on the invoice",
    }
    assert found["unlogged"].difference == 10.0


def test_models_are_compared_by_family() -> None:
    assert normal_model("OpenAI/GPT-4o-2024-08-06") == "gpt-4o"
    assert normal_model("") == "(no model)"


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from monitor import migrate

    url = f"sqlite:///{tmp_path / 'costs.db'}"
    settings = Settings(database_url=url)
    store = Store.open(settings)
    migrate.upgrade(store)
    project = filled(store, settings, count=20)
    assert (
        spend_by_day(store, project, YESTERDAY - timedelta(days=1), NOW)[date(2026, 3, 10), "house-model"].calls == 21
    )
    own = prices(tmp_path, {"model": "house-model", "input": 2, "output": 4})
    monkeypatch.setenv("MONITOR_PRICE_OVERRIDES", str(own))
    runner = CliRunner()

    def run(*arguments: str) -> Any:
        done = runner.invoke(cli.commands, [*arguments, "--database-url", url], standalone_mode=False)
        assert done.exception is None, done.output
        return done

    found = json.loads(run("costs", "reprice", "--project", "costs", "--json").stdout)
    assert (found["total"]["changed"], found["dry_run"]) == (20, False)
    assert "0 changed" in run("costs", "reprice", "--project", "costs").stdout
    refresh(store, settings, datetime.now(UTC))
    bill = invoice(tmp_path, "day,model,cost\n2026-03-10,house-model,0.33\n2026-03-10,other,1\n")
    done = run("costs", "reconcile", str(bill), "--project", "costs", "--json", "--fail-over", "5")
    document = json.loads(done.stdout)
    assert done.return_value == 1
    assert document["invoiced_usd"] == pytest.approx(1.33)
    assert document["logged_usd"] == pytest.approx(0.33)
    assert [line["reason"] for line in document["lines"]] == ["not logged", ""]
    assert "not logged" in run("costs", "reconcile", str(bill), "--project", "costs").stdout
    store.close()
