"""dltrain: from a data set to a trained, measured, explained and reusable model, in one command."""

__version__ = "0.1.0"
