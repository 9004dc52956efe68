"""What a question to a model costs, before it is asked and after."""

from __future__ import annotations

from datetime import datetime

from monitor.prices import catalogue_rates, price_list
from monitor.records import Tokens
from monitor.settings import Settings

_CHARACTERS_A_TOKEN = 3
"""Fewer than there are in most texts, so that the price before asking is rather too high."""
_MILLION = 1_000_000


def cost_of(settings: Settings, model: str, tokens: Tokens, now: datetime) -> float:
    """US dollars by the own prices, else the catalogue, else MONITOR_JUDGE_PRICE_USD for a million tokens."""
    count = tokens.input or 0
    own = price_list(settings.price_overrides).find("", model, now, "", count)
    for rates in (own, catalogue_rates("", model, now, "", count)):
        cost = None if rates is None else rates.cost(tokens)
        if cost is not None:
            return cost
    return (count + (tokens.output or 0)) * settings.judge_price_usd / _MILLION


def tokens_at_most(prompt: str, most_tokens: int) -> Tokens:
    """The tokens that a question may take."""
    return Tokens(input_uncached=len(prompt) // _CHARACTERS_A_TOKEN + 1, output_text=most_tokens)
