"""Runs in the learner's place: imports lakehouse.py, starts one Spark session, and makes the calls that it is told.

A line of JSON on standard input, [function, [arguments], {named arguments}], gives a line on standard output: {"gave": value} or
{"raised": text}. {"at": text} is a time, {"catalog": folder} an Iceberg catalog, "spark" the session.
"""

import json
import os
import sys
import traceback
from datetime import datetime
from decimal import Decimal

OUT = os.dup(1)
os.dup2(2, 1)  # what the learner and Spark print is not for us


def plain(value):
    """What JSON does not know: numbers of NumPy and decimals as numbers, anything else as text."""
    if hasattr(value, "item"):
        return value.item()
    return float(value) if isinstance(value, Decimal) else repr(value)


def say(what):
    """A line for the verifier."""
    os.write(OUT, (json.dumps(what, default=plain) + "\n").encode())


def real(argument):
    """An argument as the function gets it."""
    match argument:
        case {"at": text}:
            return datetime.fromisoformat(text)
        case {"catalog": folder}:
            from catalogs import local

            return local(folder)
    return argument


def call(spark, words):
    """What a call gave."""
    name, arguments, named = words
    try:
        import lakehouse

        given = [spark if argument == "spark" else real(argument) for argument in arguments]
        return {"gave": getattr(lakehouse, name)(*given, **{key: real(value) for key, value in named.items()})}
    except Exception as error:
        mine = [line for line in traceback.extract_tb(error.__traceback__) if line.filename.endswith("lakehouse.py")]
        where = f" (lakehouse.py, line {mine[-1].lineno})" if mine else ""
        return {"raised": f"{type(error).__name__}: {str(error).strip()[:400]}{where}"}


def main():
    """Calls, until the input ends."""
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    for line in sys.stdin:
        say(call(spark, json.loads(line)))


if __name__ == "__main__":
    main()
