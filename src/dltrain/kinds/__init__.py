"""The kinds of data: the only package that knows what a table or an image is."""
