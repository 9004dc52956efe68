"""Judges: one file, one question that a model is asked about calls. Data only; `monitor.judging` does the asking."""
