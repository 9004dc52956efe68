"""Cost: exact where a price is known, absent where it is not."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from monitor.enrich import enrich_span
from monitor.errors import SettingsError
from monitor.prices import PriceList, catalogue_rates, price_list
from monitor.records import Span, Tokens
from monitor.settings import Settings

MARCH_2023 = datetime(2023, 3, 20, 9, tzinfo=UTC)


def call(model: str = "gpt-4-0314", time: datetime = MARCH_2023, **values: Any) -> Span:
    values.setdefault("tokens", Tokens(input_uncached=1000, output_text=500))
    return Span(trace_id="1" * 32, span_id="1" * 16, time=time, model=model, **values)


def cost_of(span: Span, settings: Settings | None = None) -> tuple[object, object]:
    signals = enrich_span(span, settings or Settings())
    return signals.get("cost_usd"), signals["cost_source"]


def own_prices(folder: Path, *prices: dict[str, Any]) -> Settings:
    path = folder / "prices.json"
    path.write_text(json.dumps({"prices": list(prices)}))
    return Settings(price_overrides=path)


def test_gpt_4_of_march_2023_cost_three_and_six_cents_a_thousand() -> None:
    assert cost_of(call()) == (pytest.approx(0.03 + 0.03, abs=1e-12), "catalogue")
    assert cost_of(call("gpt-4-0613", provider="openai")) == (pytest.approx(0.06, abs=1e-12), "catalogue")


def test_own_prices_win_over_the_catalogue(tmp_path: Path) -> None:
    settings = own_prices(tmp_path, {"model": "gpt-3.5-turbo*", "input": 2, "output": 2})
    span = call("gpt-3.5-turbo-0301", tokens=Tokens(input_uncached=730, output_text=270))
    assert cost_of(span, settings) == (pytest.approx(0.002, abs=1e-15), "override")
    assert cost_of(call(), settings)[1] == "catalogue"


def test_the_sender_wins_over_all(tmp_path: Path) -> None:
    settings = own_prices(tmp_path, {"model": "gpt-4-0314", "input": 1, "output": 1})
    assert cost_of(call(cost_usd=0.5), settings) == (0.5, "sender")
    assert cost_of(call(cost_usd=0.0), settings) == (0.0, "sender")


@pytest.mark.parametrize(
    "span",
    [
        call("a-model-nobody-sells"),
        call(""),
        call(tokens=Tokens()),
        call(tokens=Tokens(input_uncached=10)),
        call("llama3", provider="ollama"),
        call("gpt-4", provider="vllm"),
        call(cost_usd=-1.0, model="a-model-nobody-sells"),
    ],
)
def test_unknown_stays_unknown_and_is_never_zero(span: Span) -> None:
    assert cost_of(span) == (None, "none")


def test_tokens_are_counted_once_each_at_their_own_price() -> None:
    tokens = Tokens(
        input_uncached=1_000_000,
        input_cache_read=2_000_000,
        input_cache_write=3_000_000,
        input_cache_write_1h=4_000_000,
        output_text=5_000_000,
        output_reasoning=6_000_000,
    )
    cost, source = cost_of(call("claude-3-5-sonnet-20241022", datetime(2025, 4, 1, tzinfo=UTC), tokens=tokens))
    assert source == "catalogue"
    assert cost == pytest.approx(1 * 3 + 2 * 0.3 + 3 * 3.75 + 4 * 6 + 5 * 15 + 6 * 15)


def test_cached_tokens_cost_less_than_the_same_tokens_uncached() -> None:
    moment = datetime(2025, 4, 1, tzinfo=UTC)
    cached = call("gpt-4o-2024-08-06", moment, tokens=Tokens(input_uncached=200, input_cache_read=800, output_text=10))
    fresh = call("gpt-4o-2024-08-06", moment, tokens=Tokens(input_uncached=1000, output_text=10))
    assert cost_of(cached)[0] == pytest.approx((200 * 2.5 + 800 * 1.25 + 10 * 10) / 1e6)
    assert cost_of(fresh)[0] == pytest.approx((1000 * 2.5 + 10 * 10) / 1e6)
    assert enrich_span(cached, Settings())["cached_share"] == 0.8
    assert "cached_share" not in enrich_span(fresh, Settings())


def test_the_model_that_answered_is_priced_before_the_one_asked_for() -> None:
    assert cost_of(call("gpt-4o-mini", requested_model="gpt-4"))[0] == pytest.approx((1000 * 0.15 + 500 * 0.6) / 1e6)
    assert cost_of(call("my-deployment", requested_model="gpt-4-0314")) == (pytest.approx(0.06), "catalogue")


def test_long_requests_cost_the_price_of_their_step() -> None:
    short = catalogue_rates("google", "gemini-1.5-pro", datetime(2025, 4, 1, tzinfo=UTC), "", 1000)
    long = catalogue_rates("google", "gemini-1.5-pro", datetime(2025, 4, 1, tzinfo=UTC), "", 200_000)
    assert short is not None
    assert long is not None
    assert short.input == pytest.approx(1.25e-6)
    assert long.input == pytest.approx(2.5e-6)


def test_prices_agree_with_the_catalogue_for_all_models_of_three_providers() -> None:
    from genai_prices import Usage, calc_price
    from genai_prices.data_snapshot import get_snapshot

    moment = datetime(2026, 1, 5, 3, 20, tzinfo=UTC)
    compared = 0
    for provider in get_snapshot().providers:
        if provider.id not in ("openai", "anthropic", "mistral"):
            continue
        for model in provider.models:
            rates = catalogue_rates(provider.id, model.id, moment, "", 1000)
            cost = rates and rates.cost(Tokens(input_uncached=700, input_cache_read=300, output_text=500))
            if cost is not None:
                usage = Usage(input_tokens=1000, cache_read_tokens=300, output_tokens=500)
                theirs = calc_price(usage, model.id, provider_id=provider.id, genai_request_timestamp=moment)
                assert cost == pytest.approx(float(theirs.total_price), abs=1e-12), model.id
                compared += 1
    assert compared > 60


def test_own_prices_hold_from_a_day_until_another(tmp_path: Path) -> None:
    settings = own_prices(
        tmp_path,
        {"model": "m", "input": 10, "output": 10, "from": "2023-03-01", "until": "2023-04-01"},
        {"model": "m", "input": 20, "output": 20, "from": "2023-04-01"},
    )
    tokens = Tokens(input_uncached=1_000_000, output_text=0)
    days = {
        datetime(2023, 2, 28, 23, 59, tzinfo=UTC): None,
        datetime(2023, 3, 1, tzinfo=UTC): 10,
        datetime(2023, 3, 31, 23, 59, tzinfo=UTC): 10,
        datetime(2023, 4, 1, tzinfo=UTC): 20,
    }
    for day, expected in days.items():
        assert cost_of(call("m", day, tokens=tokens), settings)[0] == expected


def test_the_most_exact_name_wins(tmp_path: Path) -> None:
    settings = own_prices(
        tmp_path,
        {"model": "m*", "input": 1, "output": 1},
        {"model": "m-large*", "input": 2, "output": 2},
        {"model": "m-large", "input": 3, "output": 3},
        {"model": "m-large", "provider": "azure", "input": 4, "output": 4},
    )
    tokens = Tokens(input_uncached=1_000_000, output_text=0)

    def price(model: str, provider: str = "") -> object:
        return cost_of(call(model, provider=provider, tokens=tokens), settings)[0]

    assert [price("m-small"), price("M-Large-2"), price("m-large"), price("m-large", "azure")] == [1, 2, 3, 4]


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    path.write_text('{"prices": [{"model": "m", "input": 1, "output": 1}]}')
    first = price_list(path)
    assert price_list(path) is first
    path.write_text('{"prices": [{"model": "m", "input": 2.5, "output": 1}]}')
    rates = price_list(path).find("", "m", MARCH_2023)
    assert rates is not None
    assert rates.input == 2.5e-6


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "truncated"),
        ("[]", "Expected `object`, got `array`"),
        ('{"prices": [{"model": "m", "input": 1}]}', "missing required field `output`"),
        (
            '{"prices": [{"model": "m", "input": "1", "output": 1}]}',
            r"Expected `float`, got `str` - at `\$.prices\[0\].input`",
        ),
        ('{"prices": [{"model": "m", "input": 1, "output": 1, "inputt": 1}]}', "unknown field `inputt`"),
        ('{"prices": [{"model": "m", "input": 1, "output": 1, "from": "March"}]}', "Invalid RFC3339"),
        ('{"prices": [{"model": "m", "input": -1, "output": 1}]}', "entry 1: a price is negative"),
        ('{"prices": [{"model": "*", "input": 1, "output": 1}]}', "entry 1: model is empty"),
        (
            '{"prices": [{"model": "m", "input": 1, "output": 1, "from": "2023-02-01", "until": "2023-02-01"}]}',
            "entry 1: until is not after from",
        ),
        (
            '{"prices": [{"model": "m", "input": 1, "output": 1}, {"model": "M", "input": 2, "output": 2}]}',
            "entry 2: an earlier entry holds for the same model on some of the same days",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_explained(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "prices.json"
    path.write_text(text)
    with pytest.raises(SettingsError, match=problem) as caught:
        PriceList(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        price_list(tmp_path / "none.json")
