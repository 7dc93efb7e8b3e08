"""A finished run in use: load, predict, evaluate, export."""
