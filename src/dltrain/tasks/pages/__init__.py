"""What a run's page says of its task: plots, tables and sentences; one file a form of prediction."""
