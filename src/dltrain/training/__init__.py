"""The loop, what changes in it, and what is saved of it."""
