"""Plots, pages and tables of runs, made from their folders alone."""
