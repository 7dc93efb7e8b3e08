"""Plots that every run may have, whatever its data and its task."""
