"""Scripts that make the weights packaged with the monitor out of the samples in `tests/data`."""
