"""measure.py FILE: for each query of the file, what it costs."""

print("nothing measured yet")
