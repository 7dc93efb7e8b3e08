"""One file a theme: each plot is a function of the run, `None` where it has nothing to show."""
