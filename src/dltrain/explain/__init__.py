"""Explains a trained model: the importance of its columns, and a projection of its samples, measured after training."""
