"""Text for language models, which predict the next token."""
