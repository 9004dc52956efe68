"""What would have been alarmed: the alarms of a replay, and replays of a project's own stored history."""
