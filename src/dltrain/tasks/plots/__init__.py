"""Plots of predictions: of classes, numbers and ranks."""
