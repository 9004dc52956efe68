"""Statistics as pure functions: no store, no clock, no settings."""
