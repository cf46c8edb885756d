"""To try your service on the lab's servers: `lab run 16 -- python desk.py submit r1 alice 100`, `… work`, `… balance alice`.

A shard is a libpq connection string. `north` has a standby, so it names two hosts, in no particular order.
"""

import os
import sys

import service

LOGIN = f"user=postgres dbname=postgres password={os.environ['NORTH_PASSWORD']}"
HOSTS = "host=127.0.0.1,127.0.0.1 port={NORTH_STANDBY_PORT},{NORTH_PORT}".format(**os.environ)
SHARDS = {"north": f"{HOSTS} {LOGIN}", "south": os.environ["SOUTH_DSN"]}
GROWN = {**SHARDS, "west": os.environ["WEST_DSN"]}


def price(request_id, account, amount):
    """What a posting comes to: someone else's code, slow now and then."""
    print("pricing", request_id, flush=True)
    return amount - 1


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["create"]:
            service.create(GROWN)
        case ["submit", request_id, account, amount]:
            print(service.submit(SHARDS, request_id, account, int(amount)))
        case ["work"]:
            service.work(SHARDS, price, 5)
        case ["balance", account]:
            print(service.balance(SHARDS, account))
        case ["rescale"]:
            service.rescale(SHARDS, GROWN)
        case _:
            sys.exit("desk.py create | submit REQUEST ACCOUNT AMOUNT | work | balance ACCOUNT | rescale")
