"""What all kinds of data share: readers of tables and text, splits, tokens, loaders, and samples to try."""
