"""The run folder on disk: its artifacts, lock, config, history and result, and who wrote it."""
