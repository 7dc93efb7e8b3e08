"""What is typed and what is printed: one module a command, `run(arguments, options)` returns the exit code."""
