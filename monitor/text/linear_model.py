"""Small linear models over words, pairs of words and a few measures of a text: loaded when first asked, NumPy only.

A text is the set of its words and of its neighbouring pairs; the score is the logistic function of

    bias + (sum of the weights of its features) / sqrt(number of its features) + sum(weight * measure)

Features that the model does not know weigh nothing but count, so that text in another language, or about something
else, comes out near the bias and is not taken for what the model was trained to find. Weights are trained with
scikit-learn by the scripts in `training/` and packaged as int8 numbers beside their words.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise

import numpy as np

_WORD = re.compile(r"[^\W\d_]+(?:'[a-z]+)?|[0-9]+")


@dataclass(frozen=True)
class LinearModel:
    """Weights of words, pairs of words and measures."""

    weights: Mapping[str, float]
    known: frozenset[str]
    measures: tuple[float, ...]
    bias: float

    def score(self, features: frozenset[str], count: int, measures: Sequence[float]) -> float:
        """The probability, between 0 and 1, that the model gives to a text of `count` features."""
        total = sum(map(self.weights.__getitem__, self.known & features))
        logit = self.bias + total / math.sqrt(max(1, count))
        logit += sum(weight * measure for weight, measure in zip(self.measures, measures, strict=True))
        return 1 / (1 + math.exp(-max(-40.0, min(40.0, logit))))


@functools.lru_cache(maxsize=2)
def text_features(lowered: str) -> frozenset[str]:
    """The words of a text in lower case, and its pairs of neighbouring words. Models ask about one text in turn."""
    words = _WORD.findall(lowered)
    return frozenset({*words, *map(" ".join, pairwise(words))})


@functools.cache
def load_model(name: str) -> LinearModel:
    """The packaged model of a name."""
    with (files("monitor.text") / "models" / f"{name}.npz").open("rb") as file, np.load(file) as stored:
        words = stored["words"].tobytes().decode().split("\n")
        weights = stored["weights"].astype(np.float64) * float(stored["scale"])
        return LinearModel(
            dict(zip(words, weights.tolist(), strict=True)),
            frozenset(words),
            tuple(stored["measures"].tolist()),
            float(stored["bias"]),
        )
