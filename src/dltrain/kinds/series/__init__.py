"""Series of values in time."""
