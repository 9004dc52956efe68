"""Toxicity, on tweets that three people or more rated (Davidson et al. 2017, MIT), and on sentences naming groups."""

from __future__ import annotations

from itertools import product

from monitor.text.toxicity import THRESHOLD, toxicity
from tests.quality import Figure
from tests.quality.measures import auc, bootstrap, rows, share

DATA = "Davidson tweets"
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
    ]
