"""Detectors over closed hours: alarms within hours, within the alarm budget.

`gauges` turns the profiles of a stream into shares, `baseline` says what is usual for them, `lane` looks at the last
hours, `levels` shares out the budget, `hours` drives all of it from the store.
"""
