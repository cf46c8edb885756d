"""Count the data rows of a CSV text."""
