"""Plots of predictions, by what is predicted."""
