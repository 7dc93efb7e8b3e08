"""Text that is continued, token by token."""
