"""What a sweep's jobs add up to."""
