"""Telemetry vocabularies, one file each: see `monitor.contracts.Dialect`."""
