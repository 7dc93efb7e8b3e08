"""Ratings: users, items, and who chose what."""
