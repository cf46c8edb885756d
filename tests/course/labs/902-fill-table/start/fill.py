"""Fill the table numbers with 1 … $N."""
