"""The built-in models, one module a family."""
