"""Tasks, one file each, with their losses and metrics, and what a page says of them."""
