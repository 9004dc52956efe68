"""Trains the model of groundedness: `python -m tests.training.grounding` writes monitor/text/grounding.json.

Rows: half of the questions of tests/data/halueval_qa (HaluEval, MIT), chosen by a hash of the question; the other half
is never seen. So that length and form tell nothing, each right answer is also given in a sentence, and each wrong one
also cut down to what it adds to the question. Sentences of the contexts, some words left out and some plain ones
replaced as a paraphrase would, are further supported claims; the same with a name or number put in from elsewhere are
unsupported ones (in the manner of Kryscinski et al. 2020).
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from typing import Any

import numpy as np

from monitor.text import grounding
from monitor.text.words import TOKEN, sentences
from tests.quality.answer_forms import in_a_sentence, with_lead
from tests.quality.measures import rows

SYNTHETIC_WEIGHT = 0.15
NO_QUESTION = ""


def is_for_training(row: dict[str, Any]) -> bool:
    """Whether a row belongs to the half that may be learnt from."""
    return hashlib.sha256(row["prompt_id"].encode()).digest()[0] % 2 == 0


def examples(data: list[dict[str, Any]]) -> Iterator[tuple[str, str, str, bool, float]]:
    """Context, question, claim, whether it is supported, and its weight."""
    for row in data:
        question, answer = row["prompt"], row["response"]
        if row["label"]:
            forms = [answer, *_cut_down(row)]
        else:
            forms = [answer, in_a_sentence(question, answer), with_lead(answer)]
        for form in forms:
            yield row["context"], question, form, not row["label"], 1 / len(forms)
    yield from _swapped(data)


def _cut_down(row: dict[str, Any]) -> list[str]:
    """The longest run of words of an answer that the question does not hold."""
    source = grounding.Source([row["context"]], row["prompt"])
    answer = row["response"]
    places = [match.span() for match in TOKEN.finditer(answer)]
    runs: list[list[grounding.Word]] = [[]]
    for word in grounding.read(answer).content:
        if word.stem in source.asked:
            runs.append([])
        else:
            runs[-1].append(word)
    longest = max(runs, key=len)
    return [answer[places[longest[0].first][0] : places[longest[-1].after - 1][1]]] if longest else []


def _swapped(data: list[dict[str, Any]]) -> Iterator[tuple[str, str, str, bool, float]]:
    generator = random.Random(5)
    contexts = sorted({row["context"] for row in data})
    names = [word for context in contexts for word in _marked(context)]
    plain = [word for context in contexts for word in context.split() if word.isalpha() and word.islower()]
    plain = [word for word in plain if len(word) > 4]
    for context in contexts:
        for start, end in sentences(context):
            words = context[start:end].split()
            if not 6 <= len(words) <= 60:
                continue
            kept = [word for word in words if generator.random() > 0.2]
            kept = [
                generator.choice(plain) if word.islower() and len(word) > 4 and generator.random() < 0.15 else word
                for word in kept
            ]
            yield context, NO_QUESTION, " ".join(kept), True, SYNTHETIC_WEIGHT
            places = [place for place, word in enumerate(kept) if place and _is_marked(word)]
            if places:
                put = generator.choice(names)
                swapped = list(kept)
                swapped[generator.choice(places)] = put
                if put not in context:
                    yield context, NO_QUESTION, " ".join(swapped), False, SYNTHETIC_WEIGHT


def _is_marked(word: str) -> bool:
    return word[:1].isupper() or word[:1].isdigit()


def _marked(text: str) -> list[str]:
    return [word.strip('.,()"') for word in text.split() if _is_marked(word)]


def table(data: list[dict[str, Any]]) -> tuple[Any, Any, Any]:
    """Features, labels and weights of the examples of some rows."""
    features, labels, weights = [], [], []
    for context, question, claim, is_supported, weight in examples(data):
        source = grounding.Source([context], question)
        found = [grounding.describe(grounding.read(claim[start:end]), source) for start, end in sentences(claim)]
        if found:
            features.append(np.mean(found, axis=0))
            labels.append(is_supported)
            weights.append(weight)
    return np.array(features), np.array(labels), np.array(weights)


def main() -> None:
    """Fits and writes the model."""
    from sklearn.linear_model import LogisticRegression

    features, labels, weights = table([row for row in rows("halueval_qa") if is_for_training(row)])
    model = LogisticRegression(C=1.0, max_iter=1000).fit(features, labels, sample_weight=weights)
    stored = {
        "intercept": round(float(model.intercept_[0]), 4),
        "weights": {
            name: round(float(weight), 4) for name, weight in zip(grounding.FEATURES, model.coef_[0], strict=True)
        },
    }
    grounding.MODEL.write_text(json.dumps(stored, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
