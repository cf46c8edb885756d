"""Count the data rows of a CSV text."""

import sys

print(len(sys.stdin.readlines()))
