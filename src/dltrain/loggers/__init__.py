"""Loggers: where a run is written to besides its own folder."""
