"""Drift of table columns against a fixed reference, window by window, without a store: `DriftMonitor`."""

from __future__ import annotations

from monitor.detect.drift_monitor import DriftMonitor

__all__ = ["DriftMonitor"]
