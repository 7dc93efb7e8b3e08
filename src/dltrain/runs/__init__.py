"""What starts from a run folder: using its model, comparing it, going on with it."""
