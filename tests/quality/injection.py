"""Injection and jailbreaks, on prompts that were held out of training (origins: tests/data/injection.NOTICE)."""

from __future__ import annotations

import lzma
from collections import defaultdict
from typing import Any

import msgspec

from monitor.text.injection import THRESHOLD, injection_score
from tests.quality import Figure
from tests.quality.measures import DATA, auc, bootstrap, share

NAME = "Held-out attacks and harmless prompts"


def packed_rows(name: str) -> list[dict[str, Any]]:
    """The rows of tests/data/NAME.jsonl.xz."""
    with lzma.open(DATA / f"{name}.jsonl.xz", "rb") as stream:
        return [msgspec.json.decode(line) for line in stream]


def report() -> list[Figure]:
    """AUC, recall in all and by family of attack, and false alarms in all and by sort of harmless prompt."""
    scored = [(injection_score(row["text"]), bool(row["label"]), row["family"]) for row in packed_rows("injection")]
    families: dict[tuple[bool, str], list[bool]] = defaultdict(list)
    for score, attack, family in scored:
        for name in (family, ""):
            families[attack, name].append(score >= THRESHOLD)
    area = bootstrap({str(place): [one[:2]] for place, one in enumerate(scored)}, auc, runs=40)
    figures = [Figure("injection_score", NAME, len(scored), "AUC", *area)]
    for (attack, family), flagged in sorted(families.items(), key=lambda item: (not item[0][0], item[0][1])):
        measure = "recall" if attack else "false alarms"
        data = f"{NAME}: {family}" if family else NAME
        figures.append(
            Figure("prompt_injection", data, len(flagged), measure, *share(sum(flagged), len(flagged)), THRESHOLD)
        )
    return figures
