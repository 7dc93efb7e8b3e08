"""A page of the runs and sweeps of a folder as they go, served on this machine alone."""
