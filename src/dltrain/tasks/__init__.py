"""What is being learned: one file a task."""
