"""Calls one function of the learner's scaling.py: `driver.py ANSWER '{"function": …, "arguments": […]}'`, or with `many` arguments.

The answer is {"gave": …}, or {"raised": …} with the end of the traceback.
"""

import json
import sys
import traceback
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def load(plan):
    """What `measure` is to call: so many requests, eight at once."""

    def run():
        def one(number):
            with urllib.request.urlopen(f"{plan['url']}/work?id={plan['name']}-{number}&cpu={plan['cpu']}", timeout=120) as answer:
                return json.load(answer)

        with ThreadPoolExecutor(8) as pool, Path(plan["log"]).open("a") as log:
            for answer in pool.map(one, range(plan["requests"])):
                print(json.dumps(answer), file=log)

    return run


def main():
    answer, asked = Path(sys.argv[1]), json.loads(sys.argv[2])
    try:
        import scaling

        arguments = [load(asked["load"])] if "load" in asked else []
        function = getattr(scaling, asked["function"])
        if "many" in asked:
            told = {"gave": [function(*one) for one in asked["many"]]}
        else:
            told = {"gave": function(*asked["arguments"], *arguments)}
        json.dumps(told)
    except BaseException as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith("scaling.py")]
        where = f"scaling.py, line {frames[-1].lineno}: " if frames else ""
        told = {"raised": f"{where}{type(error).__name__}: {error}"[:900]}
    answer.write_text(json.dumps(told))


if __name__ == "__main__":
    main()
