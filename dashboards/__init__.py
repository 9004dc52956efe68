"""The dashboard: a Dash app that reads through `monitor.queries` only."""
