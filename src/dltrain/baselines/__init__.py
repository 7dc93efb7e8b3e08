"""What plain methods reach on the same split: the row that every result is read against."""
