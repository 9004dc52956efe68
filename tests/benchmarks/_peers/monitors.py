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
    """KS and chi-squared tests of all columns at 5 %, Bonferroni-corrected."""

    def __init__(self, reference: Table) -> None:
        from alibi_detect.cd import TabularDrift

        self._names = list(reference)
        self._codes: dict[str, dict[Any, int]] = {
            name: {value: place for place, value in enumerate(sorted(set(values)))}
            for name, values in reference.items()
            if values.dtype == object
        }
        categories: Any = {self._names.index(name): len(codes) + 1 for name, codes in self._codes.items()}
        categories = {place: list(range(count)) for place, count in categories.items()}
        self._detector = TabularDrift(self._matrix(reference), p_val=0.05, categories_per_feature=categories)
        self.alarmed: tuple[str, ...] = ()

    def _matrix(self, table: Table) -> Any:
        columns = []
        for name in self._names:
            codes = self._codes.get(name)
            values = table[name]
            columns.append(values if codes is None else np.array([codes.get(value, len(codes)) for value in values]))
        return np.column_stack(columns).astype(np.float64)

    def update(self, window: Table) -> None:
        """Compares the window with the reference."""
        found = self._detector.predict(self._matrix(window), drift_type="batch")["data"]
        drifted = np.asarray(found["p_val"]) < found["threshold"]
        self.alarmed = tuple(name for name, moved in zip(self._names, drifted, strict=True) if moved)


def monitor_of(name: str, rows: int) -> Any:
    """A maker of the named peer's monitor for windows of so many rows."""
    warnings.simplefilter("ignore")
    if name == "NannyML":
        return lambda reference: NannyML(reference, rows)
    return {"Evidently": Evidently, "alibi-detect": AlibiDetect}[name]
