"""Drift of table columns, without a store: `DriftMonitor` window by window, `compare_tables` once."""

from __future__ import annotations

from monitor.detect.drift_monitor import DriftMonitor
from monitor.detect.table_comparison import ColumnDrift, compare_tables

__all__ = ["ColumnDrift", "DriftMonitor", "compare_tables"]
