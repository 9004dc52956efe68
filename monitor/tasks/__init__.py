"""Work done on a schedule, one file each: see `monitor.contracts.Job`."""
