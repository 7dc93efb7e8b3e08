"""Generated data sets, so that every kind of data can be tried without a download."""
