"""The command line: one module per command, whose `run(arguments, options)` returns the exit code."""
