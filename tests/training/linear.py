"""Trains a `monitor.text.linear_model.LinearModel` with scikit-learn and writes its packaged form."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix, hstack
from sklearn.linear_model import LogisticRegression

from monitor.text.linear_model import LinearModel, text_features

_LEAST_TEXTS = 3
_KEPT = 24_000


def train(
    texts: Sequence[str],
    labels: Sequence[int],
    measures: Sequence[Sequence[float]],
    weights: Sequence[float],
    *,
    strength: float = 30.0,
) -> LinearModel:
    """A logistic regression; `texts` in lower case, one row of measures and one sample weight a text.

    `strength` is scikit-learn's C. Features of fewer than three texts are left out, and of the rest the 24,000 that
    weigh most in the training texts are kept.
    """
    features = [text_features(text) for text in texts]
    counts = Counter(feature for one in features for feature in one)
    known = {
        feature: index
        for index, feature in enumerate(sorted(name for name, count in counts.items() if count >= _LEAST_TEXTS))
    }
    rows, columns, values = [], [], []
    for row, one in enumerate(features):
        length = math.sqrt(max(1, len(one)))
        for feature in one:
            if feature in known:
                rows.append(row)
                columns.append(known[feature])
                values.append(1 / length)
    words = csr_matrix((values, (rows, columns)), shape=(len(texts), len(known)))
    matrix = hstack([words, csr_matrix(np.asarray(measures, dtype=float))]).tocsr() if measures[0] else words
    regression = LogisticRegression(C=strength, max_iter=2000, solver="liblinear", random_state=0)
    regression.fit(matrix, labels, sample_weight=np.asarray(weights, dtype=float))
    coefficients = regression.coef_[0]
    kept = sorted(known, key=lambda feature: -abs(coefficients[known[feature]]) * math.sqrt(counts[feature]))[:_KEPT]
    return LinearModel(
        {feature: float(coefficients[known[feature]]) for feature in sorted(kept)},
        frozenset(kept),
        tuple(float(value) for value in coefficients[len(known) :]),
        float(regression.intercept_[0]),
    )


def save(model: LinearModel, path: Path) -> None:
    """Writes the packaged form: int8 weights with one scale."""
    values = np.array(list(model.weights.values()))
    scale = float(np.abs(values).max() / 127)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path,
        words=np.frombuffer("\n".join(model.weights).encode(), dtype=np.uint8),
        weights=np.round(values / scale).astype(np.int8),
        scale=np.float64(scale),
        measures=np.array(model.measures),
        bias=np.float64(model.bias),
    )
