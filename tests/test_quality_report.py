"""The page of quality covers every signal, is what the code measures, and other people's data can be checked too."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from monitor.signals import registry
from monitor.text import correctness, grounding, harm, injection, toxicity
from tests.quality import Figure, documents, sentiment
from tests.quality.__main__ import main
from tests.quality.coverage import COUNTED, LANGUAGES, MEASURED_AS, UNMEASURED
from tests.quality.external import figures_of_folder
from tests.quality.languages import sentences
from tests.quality.page import PAGE, all_figures, figures_of, page, reports


def test_the_page_is_what_is_measured() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(all_figures()), "run: make quality"


def test_every_signal_is_measured_or_it_is_said_why_not() -> None:
    measured = {figure.signal for figure in all_figures()} & registry().keys()
    stated = [*measured, *(MEASURED_AS.keys() - measured), *COUNTED, *UNMEASURED]
    assert sorted(stated) == sorted(registry())
    assert set(MEASURED_AS.values()) <= measured
    assert LANGUAGES.keys() <= registry().keys()
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in registry() if f"`{name}`" not in text and f"## {name}\n" not in text] == []


def test_thresholds_are_those_of_the_code() -> None:
    default = {
        "prompt_injection": injection.THRESHOLD,
        "harm_category": harm.THRESHOLD,
        "toxic": toxicity.THRESHOLD,
        "ungrounded": grounding.THRESHOLD,
        "correct": correctness.THRESHOLD,
    }
    for figure in all_figures():
        assert figure.threshold == default.get(figure.signal, figure.threshold), figure
    text = PAGE.read_text(encoding="utf-8")
    for name, threshold in default.items():
        assert re.search(rf"^\| \[{name}\].*\| {threshold:g} \|", text, re.MULTILINE)


def test_figures_are_well_formed() -> None:
    assert len(reports()) >= 14
    for figure in all_figures():
        assert figure.n > 0, figure
        assert -0.001 <= figure.low <= figure.value + 1e-9, figure
        assert figure.value <= figure.high + 1e-9 <= 1.01, figure


def by_name(module: str) -> dict[tuple[str, str, str], Figure]:
    return {(figure.signal, figure.measure, figure.data): figure for figure in figures_of(module)}


def test_sentiment_is_no_worse_than_vader() -> None:
    found = by_name("sentiment")
    ours, vader = (found[name, "F1 of three signs", sentiment.DATA].value for name in ("sentiment", "VADER"))
    assert ours >= vader
    assert ours >= 0.92


def test_languages_and_refusals_in_fifteen_languages() -> None:
    found = {(figure.signal, figure.measure): figure for figure in figures_of("languages")[::-1]}
    assert len({language for language, _, _ in sentences()}) == 15
    assert found["language", "right"].value >= 0.95
    assert found["language", "wrong"].value <= 0.02
    assert found["refusal", "recall"].value >= 0.9
    assert found["refusal", "false alarms"].value <= 0.02


def test_forms_parts_and_documents() -> None:
    found = {(figure.signal, figure.measure): figure.value for name in ("forms", "parts", "documents", "reproduction")
             for figure in figures_of(name)}  # fmt: skip
    assert found["code_parses", "false alarms"] == 0
    assert found["truncated", "false alarms"] <= 0.02
    assert found["repetition", "AUC"] >= 0.99
    assert found["completeness", "AUC"] >= 0.7
    assert found["protected_share", "recall"] >= 0.95


def test_orders_in_documents_are_found_and_documents_are_not_taken_for_orders() -> None:
    found = {(figure.data, figure.measure): figure.value for figure in figures_of("documents")}
    assert found[documents.DOCUMENTS, "false alarms"] <= 0.002
    assert found[documents.DESCRIPTIONS, "false alarms"] <= 0.02
    assert found[documents.PLANTED, "recall"] >= 0.85


def put(folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    with gzip.open(folder / name, "wt", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in rows)


def test_other_data_are_measured_by_the_name_of_their_file(tmp_path: Path) -> None:
    kind, rude = "Thank you, you were a great help to all of us.", "You are a stupid, worthless idiot."
    put(tmp_path, "toxic.jsonl.gz", [{"response": kind, "label": 0}, {"response": rude, "label": 1}])
    put(tmp_path, "prompt_sentiment.jsonl.gz", [
        {"prompt": kind, "label": 1}, {"prompt": rude, "label": -1}, {"prompt": "The box is on a table.", "label": 0},
    ])  # fmt: skip
    put(tmp_path, "toxicity.jsonl.gz", [{"response": kind, "label": 0}, {"response": rude, "label": 1}, {"label": 0}])
    put(tmp_path, "language.jsonl.gz", [{"prompt": kind, "label": "en"}, {"prompt": kind, "label": "de"}])
    put(tmp_path, "personal_data.jsonl.gz", [
        {"prompt": "Write to jane@example.com", "spans": [{"type": "email", "start": 9, "end": 25}]},
    ])  # fmt: skip
    found = {(one.signal, one.measure): one for one in figures_of_folder(tmp_path)}
    assert found["toxic", "precision"].value == found["toxic", "recall"].value == 1
    assert found["toxic", "false alarms"].value == 0
    assert found["toxicity", "AUC of label 1"].value == 1
    assert found["toxicity", "AUC of label 1"].note == "1 rows without a value left out"
    assert found["prompt_sentiment", "F1 of three signs"].value == 1
    assert found["language", "right"].value == 0.5
    assert found["personal_data", "F1"].value == 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("", "", "has no files named SIGNAL.jsonl"),
        ("tox.jsonl", "{}", "no signal is called tox"),
        ("toxic.jsonl", "[1]", ":1: is not a JSON object"),
        ("toxic.jsonl", '{"response": "x"}', ":1: has no label"),
    ],
)
def test_bad_folders_are_refused_in_a_sentence(
    name: str, content: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if name:
        (tmp_path / name).write_text(content, encoding="utf-8")
    assert main([str(tmp_path)]) == 2
    assert message in capsys.readouterr().err
