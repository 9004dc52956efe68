"""Ways to tell people, one file each: see `monitor.contracts.Channel`."""
