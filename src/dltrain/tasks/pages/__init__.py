"""The parts of a run's page that concern its task: plots, tables and sentences, one file a form of prediction."""
