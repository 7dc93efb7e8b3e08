"""Texts for classification or regression."""
