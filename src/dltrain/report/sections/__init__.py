"""One file a theme: each section is a function of the run and its plots, empty where it has nothing to show."""
