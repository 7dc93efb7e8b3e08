"""What a trained model rests on, and how its samples lie: measured once, at the end of training."""
