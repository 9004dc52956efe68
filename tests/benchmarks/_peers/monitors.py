"""The peers behind the interface of `DriftMonitor`, with their default settings, over all columns of a window."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

Table = Mapping[str, Any]


def frame(table: Table) -> pd.DataFrame:
    """The table as a data frame."""
    return pd.DataFrame(dict(table))


class Evidently:
    """The preset for data drift: for each column a test or distance by its kind and size."""

    def __init__(self, reference: Table) -> None:
        from evidently import DataDefinition, Dataset

        names = [name for name, values in reference.items() if values.dtype == object]
        self._definition = DataDefinition(
            numerical_columns=[name for name in reference if name not in names], categorical_columns=names
        )
        self._wrap = Dataset.from_pandas
        self._reference = self._wrap(frame(reference), data_definition=self._definition)
        self.alarmed: tuple[str, ...] = ()

    def update(self, window: Table) -> None:
        """Compares the window with the reference."""
        from evidently import Report
        from evidently.presets import DataDriftPreset

        current = self._wrap(frame(window), data_definition=self._definition)
        found = Report([DataDriftPreset()]).run(current, self._reference).dict()
        alarmed = []
        for metric in found["metrics"]:
            settings = metric["config"]
            if "column" in settings:
                small_is_drift = "p_value" in settings["method"]
                value, limit = metric["value"], settings["threshold"]
                if value < limit if small_is_drift else value >= limit:
                    alarmed.append(settings["column"])
        self.alarmed = tuple(alarmed)


class NannyML:
    """Univariate drift: Jensen-Shannon distance of each column against its mean and three deviations over chunks."""

    def __init__(self, reference: Table, rows: int) -> None:
        from nannyml import UnivariateDriftCalculator

        self._calculator = UnivariateDriftCalculator(column_names=list(reference), chunk_size=rows)
        self._calculator.fit(frame(reference))
        self.alarmed: tuple[str, ...] = ()

    def update(self, window: Table) -> None:
        """Compares the window with the reference."""
        found = self._calculator.calculate(frame(window)).filter(period="analysis").to_df(multilevel=False)
        end = "_jensen_shannon_alert"
        alerts = [name for name in found.columns if name.endswith(end) and bool(found[name].any())]
        self.alarmed = tuple(name.removesuffix(end) for name in alerts)


class AlibiDetect:
    """KS and chi-squared tests of all columns at 5 %, Bonferroni-corrected.

    A detector is made for each window, since it must be told of all names beforehand and fails on one that is nowhere.
    """

    def __init__(self, reference: Table) -> None:
        self._reference = reference
        self.alarmed: tuple[str, ...] = ()

    def update(self, window: Table) -> None:
        """Compares the window with the reference."""
        from alibi_detect.cd import TabularDrift

        codes: dict[str, dict[Any, int]] = {
            name: {value: place for place, value in enumerate(sorted({*values, *window[name]}))}
            for name, values in self._reference.items()
            if values.dtype == object
        }
        names = list(self._reference)
        categories: Any = {names.index(name): list(range(len(known))) for name, known in codes.items()}
        sides = [
            np.column_stack(
                [
                    np.array([codes[name][value] for value in table[name]]) if name in codes else table[name]
                    for name in names
                ]
            ).astype(np.float64)
            for table in (self._reference, window)
        ]
        detector = TabularDrift(sides[0], p_val=0.05, categories_per_feature=categories)
        found = detector.predict(sides[1], drift_type="feature")["data"]
        limit = 0.05 / len(names)
        self.alarmed = tuple(
            name for name, value in zip(names, np.asarray(found["p_val"]), strict=True) if value < limit
        )


def monitor_of(name: str, rows: int) -> Any:
    """A maker of the named peer's monitor for windows of so many rows."""
    warnings.simplefilter("ignore")
    if name == "NannyML":
        return lambda reference: NannyML(reference, rows)
    return {"Evidently": Evidently, "alibi-detect": AlibiDetect}[name]
