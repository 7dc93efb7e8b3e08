"""One training run, from a checked config to a finished run folder."""
