"""The kinds of data: the only place that knows what a table or a picture is."""
