"""Languages told and refusals found in fifteen languages, on sentences written for this project (few of each)."""

from __future__ import annotations

import csv
from collections import defaultdict

from monitor.text.language import detect_language, same_language
from monitor.text.refusal import is_refusal
from tests.quality import Figure
from tests.quality.measures import DATA, rows, share

WRITTEN = "Sentences of a help desk in fifteen languages, written here"
ENGLISH = "HaluEval questions, all English"


def sentences() -> list[tuple[str, str, str]]:
    """Language, sort (question, answer or refusal) and text."""
    with (DATA / "languages.tsv").open(encoding="utf-8", newline="") as stream:
        return [(row[0], row[1], row[2]) for row in csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)]


def report() -> list[Figure]:
    """Share of texts whose language is told rightly and wrongly, and refusals in other languages than English."""
    told = [(language, detect_language(text)) for language, _, text in sentences()]
    english = [detect_language(row["prompt"]) for row in rows("halueval_qa")[::2]]
    right = sum(same_language(*pair) for pair in told)
    wrong = sum(not same_language(*pair) and pair[1] != "und" for pair in told)
    unsure = sum(answer not in ("en", "und") for answer in english)
    missed: dict[str, int] = defaultdict(int)
    others = [row for row in sentences() if row[0] != "en"]
    for language, sort, text in others:
        missed[language] += sort == "refusal" and not is_refusal(text)
    found = [is_refusal(text) for _, sort, text in others if sort == "refusal"]
    false = [is_refusal(text) for _, sort, text in others if sort != "refusal"]
    names = ", ".join(sorted(name for name, count in missed.items() if count))
    note = "phrases were completed with these sentences in sight" + (f"; missed some in {names}" if names else "")
    return [
        Figure("language", WRITTEN, len(told), "right", *share(right, len(told)), None, "single short sentences"),
        Figure("language", WRITTEN, len(told), "wrong", *share(wrong, len(told)), None, "the rest is und"),
        Figure("language", ENGLISH, len(english), "right", *share(english.count("en"), len(english)), None,
               "names and numbers of a short question may make it und"),
        Figure("language", ENGLISH, len(english), "wrong", *share(unsure, len(english))),
        Figure("refusal", WRITTEN, len(found), "recall", *share(sum(found), len(found)), None, note),
        Figure("refusal", WRITTEN, len(false), "false alarms", *share(sum(false), len(false))),
    ]  # fmt: skip
