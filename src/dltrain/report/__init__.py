"""Plots and pages, drawn from run folders alone."""
