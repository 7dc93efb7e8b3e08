"""Training: the loop, its state and settings, learning-rate schedules, and checkpoints."""
