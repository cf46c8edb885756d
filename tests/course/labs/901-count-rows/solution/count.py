"""Count the data rows of a CSV text."""

import csv
import sys

print(sum(1 for _ in csv.DictReader(sys.stdin)))
