"""Pages of the dashboard, one file each: see `monitor.contracts.Page`."""
