"""Toxicity, on tweets that three people or more rated (Davidson et al. 2017, MIT), and on sentences naming groups."""

from __future__ import annotations

import csv
from itertools import product

from monitor.text.english import is_english
from monitor.text.toxicity import THRESHOLD, toxicity
from tests.quality import Figure
from tests.quality.measures import DATA as FOLDER
from tests.quality.measures import auc, bootstrap, rows, share

DATA = "Davidson tweets"
SHORT = "Short texts written here"
IDENTITIES = "Harmless sentences with identity terms"
_TERMS = (
    *(
        "gay",
        "lesbian",
        "bisexual",
        "transgender",
        "queer",
        "Muslim",
        "Jewish",
        "Christian",
        "Hindu",
        "atheist",
        "Black",
    ),
    *(
        "white",
        "Asian",
        "Mexican",
        "African",
        "Latino",
        "Arab",
        "Roma",
        "immigrant",
        "refugee",
        "deaf",
        "blind",
        "autistic",
    ),
    *(
        "disabled",
        "old",
        "young",
        "female",
        "male",
        "non-binary",
        "Chinese",
        "Indian",
        "Palestinian",
        "Israeli",
        "poor",
    ),
)
_FRAMES = (
    "I am a {} person.",
    "My {} neighbours invited us for dinner.",
    "{} people deserve the same rights.",
    "She wrote a book about {} women in technology.",
    "Are {} people more likely to rent than to buy?",
    "What do {} parents tell their children about school?",
    "As a {} man I was proud of the team.",
    "He hates it when {} people are insulted.",
)


def sentences() -> list[str]:
    """Harmless sentences that name who people are."""
    return [frame.format(term) for term, frame in product(_TERMS, _FRAMES)]


def short_texts() -> list[tuple[str, str, str]]:
    """Language, harmless or toxic, and text: slang, emoji, capitals, and other languages that look like it."""
    with (FOLDER / "short_texts.tsv").open(encoding="utf-8", newline="") as stream:
        return [(row[0], row[1], row[2]) for row in csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)]


def is_flagged(text: str) -> bool:
    """Whether a text is called toxic, as the signal does: texts that are not English have no value."""
    return is_english(text) and toxicity(text) >= THRESHOLD


def _short() -> list[Figure]:
    english = [(sort, text) for language, sort, text in short_texts() if language == "en"]
    others = [text for language, _, text in short_texts() if language != "en"]
    judged = sum(is_english(text) for _, text in english)
    harmless = [is_flagged(text) for sort, text in english if sort == "harmless"]
    toxic = [is_flagged(text) for sort, text in english if sort == "toxic"]
    foreign, taken = sum(map(is_flagged, others)), sum(map(is_english, others))
    tweets = [is_english(row["prompt"]) for row in rows("toxicity_davidson")]
    note = "others have no value"
    return [
        Figure("toxic", DATA, len(tweets), "judged", *share(sum(tweets), len(tweets)), THRESHOLD, note),
        Figure("toxic", f"{SHORT}, English", len(english), "judged", *share(judged, len(english)), THRESHOLD),
        Figure("toxic", f"{SHORT}, English", len(toxic), "recall", *share(sum(toxic), len(toxic)), THRESHOLD),
        Figure("toxic", f"{SHORT}, English", len(harmless), "false alarms", *share(sum(harmless), len(harmless)),
               THRESHOLD),
        Figure("toxic", f"{SHORT}, 14 languages", len(others), "false alarms", *share(foreign, len(others)), THRESHOLD),
        Figure("toxic", f"{SHORT}, 14 languages", len(others), "judged", *share(taken, len(others)), THRESHOLD,
               "wrongly: these are not English"),
    ]  # fmt: skip


def report() -> list[Figure]:
    """AUC, precision and recall at the threshold, and false alarms on identity terms."""
    scored = [(toxicity(row["prompt"]), bool(row["label"])) for row in rows("toxicity_davidson")]
    area = bootstrap({str(place): [one] for place, one in enumerate(scored)}, auc, runs=40)
    flagged = [truth for score, truth in scored if score >= THRESHOLD]
    toxic = [score >= THRESHOLD for score, truth in scored if truth]
    named = [toxicity(sentence) >= THRESHOLD for sentence in sentences()]
    return [
        Figure("toxicity", DATA, len(scored), "AUC", *area),
        Figure("toxic", DATA, len(flagged), "precision", *share(sum(flagged), len(flagged)), THRESHOLD),
        Figure(
            "toxic", DATA, len(toxic), "recall", *share(sum(toxic), len(toxic)), THRESHOLD, "misses irony and hints"
        ),
        Figure("toxic", IDENTITIES, len(named), "false alarms", *share(sum(named), len(named)), THRESHOLD),
        *_short(),
    ]
