"""Benchmarks: each module has `run()`, which measures itself against a baseline in the same run (`make bench`)."""
