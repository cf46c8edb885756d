"""Checks of lab 16: postings on sharded servers, done once each, while workers, shards and primaries die."""

import random
import signal
import string
from collections import Counter
from collections.abc import Iterable
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from client import SECONDS, Call, Service, alive, until_or
from driver import fee

from delab.checks import Database, expect, fail, main, show
from delab.services.postgres import dsn

OLD, NEW = ("north", "south"), ("north", "south", "west")
LONG, SHORT = 60, 2  # leases in seconds: one that does not end in a check, and one that does
TABLES = """SELECT quote_ident(nspname) || '.' || quote_ident(relname) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind IN ('r', 'p') AND nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND relpersistence <> 't'"""


class Desk:
    """The service with its shards, and the truth: what each account has to come to."""

    def __init__(self, stack: Any, work: Any, seed: int) -> None:
        self.stack, self.service, self.chance = stack, Service(work), random.Random(seed)
        self.due: Counter[str] = Counter()  # account → what all its accepted postings come to
        self.numbers = 0
        self.workers: list[Call] = []

    def shards(self, names: Iterable[str] = OLD) -> dict[str, str]:
        """Names and connection strings, in any order; north's names its standby first."""
        found = {name: dsn(self.stack[name].endpoint) for name in names}
        north, standby = (self.stack[name].endpoint for name in ("north", "north_standby"))
        found["north"] = dsn(north, host=f"{standby.host},{north.host}", port=f"{standby.port},{north.port}")
        order = list(found)
        self.chance.shuffle(order)
        return {name: found[name] for name in order}

    def accounts(self, count: int) -> list[str]:
        """Names that were never used."""
        return ["".join(self.chance.choices(string.ascii_lowercase, k=9)) for _ in range(count)]

    def accounts_on(self, name: str, count: int, names: Iterable[str] = OLD) -> list[str]:
        """Fresh accounts that the learner's shard_of puts on a shard."""
        fresh = self.accounts(30 * count + 60)
        places = self.places(names, fresh)
        found = [account for account in fresh if places[account] == name][:count]
        expect(len(found) == count, expected=f"accounts on {name}", seen=f"{len(found)} of {len(fresh)} accounts are there")
        return found

    def places(self, names: Iterable[str], accounts: list[str], service: Service | None = None) -> dict[str, Any]:
        """Where shard_of puts accounts; it gets the names as a list or as the dictionary's keys, in any order."""
        names = list(names)
        given = [[self.chance.sample(names, len(names)), account] for account in accounts]
        return dict(zip(accounts, (service or self.service).values("shard_of", given), strict=True))

    def posting(self, account: str) -> list[Any]:
        """The arguments of a new posting after the shards."""
        self.numbers += 1
        return [f"r{self.chance.randrange(10**6):06}-{self.numbers}", account, self.chance.randint(100, 999)]

    def owe(self, posting: list[Any]) -> None:
        """It is accepted: the account has to come to that much more."""
        self.due[posting[1]] += posting[2] - fee(posting[0])

    def submit(self, postings: list[list[Any]], names: Iterable[str] = OLD, *, again: bool = False) -> None:
        """Submit all, which has to succeed."""
        shards = self.shards(names)
        for posting, told in zip(postings, self.service.each("submit", [[shards, *one] for one in postings]), strict=True):
            what = f"submit({posting[0]!r}, …){' once more' if again else ''}"
            seen = f"it raised {show(told['raised'])}" if "raised" in told else f"{told['gave']!r}"
            expect(told.get("gave") is True, expected=f"{what} gives True", seen=seen)
            if not again:
                self.owe(posting)

    def post(self, accounts: list[str], names: Iterable[str] = OLD) -> list[list[Any]]:
        """Submit a new posting for each account."""
        postings = [self.posting(account) for account in accounts]
        self.submit(postings, names)
        return postings

    def wrong(self, accounts: list[str], names: Iterable[str] = OLD) -> list[tuple[str, Any, int]]:
        """The accounts that are not (yet) what they should be: account, seen, due. One that has too much fails at once."""
        shards = self.shards(names)
        values = self.service.values("balance", [[shards, account] for account in accounts])
        found = [(account, value, self.due[account]) for account, value in zip(accounts, values, strict=True)]
        for account, value, due in found:
            number = isinstance(value, int) and not isinstance(value, bool)
            expect(number, expected="balance gives an int", seen=f"{value!r}")
            seen = f"{value}: {value - due} too much, a posting has taken effect more than once"
            expect(value <= due, expected=f"{due} on account {account}", seen=seen)
        return [one for one in found if one[1] != one[2]]

    def sound(self, accounts: Iterable[str]) -> list[str]:
        """Those of these accounts that are what they should be; others may have been spoilt by an earlier check."""
        known, shards = sorted(accounts), self.shards()
        told = self.service.each("balance", [[shards, account] for account in known])
        return [account for account, one in zip(known, told, strict=True) if one.get("gave") == self.due[account]]

    def settle(self, accounts: list[str], when: str, names: Iterable[str] = OLD, *, seconds: float = SECONDS) -> None:
        """All of these accounts come to what they should be, while the workers go on."""
        left: list[tuple[str, Any, int]] = []

        def settled() -> bool:
            nonlocal left
            for worker in self.workers:
                alive(worker, when)
            left = self.wrong(accounts, names)
            return not left

        if not until_or(settled, seconds):
            account, value, due = left[0]
            seen = f"{value}, and {len(left)} of {len(accounts)} accounts have too little: postings are lost or were not taken up"
            fail(expected=f"{due} on account {account}, {when}", seen=seen)

    @contextmanager
    def working(self, count: int = 1, lease: float = LONG, names: Iterable[str] = OLD) -> Any:
        """Workers; those that are left at the end are killed."""
        begun = [self.service.worker(self.shards(names), lease) for _ in range(count)]
        self.workers = list(begun)
        try:
            yield begun
        finally:
            self.workers = []
            self.service.release_all()
            for worker in begun:
                with suppress(Exception):  # the check has its own message
                    worker.kill()

    def held(self, postings: list[list[Any]], expected: str, seen: str) -> None:
        """Workers wait for the prices of all these."""

        def waiting() -> bool:
            for worker in self.workers:
                alive(worker, "in the middle of a posting")
            return all(self.service.holds(one[0]) for one in postings)

        expect(until_or(waiting, SECONDS), expected=expected, seen=seen)

    def hold_one(self, account: str) -> list[Any]:
        """Submit a posting whose price a worker will wait for; returns when it waits."""
        posting = self.posting(account)
        self.service.hold(posting[0])
        self.submit([posting])
        self.held([posting], "a worker asks for the price of a posting", f"nobody has asked within {SECONDS} s")
        return posting


@pytest.fixture(scope="module")
def desk(stack, work, seed) -> Any:
    """The service, with its tables made: `create` runs twice, as every deployment does."""
    made = Desk(stack, work, seed)
    yield made
    made.service.program.end()


def test_places_accounts(desk, work, evidence):
    """`shard_of` gives each account one shard: the same in every process, evenly; a third shard only takes accounts for itself."""
    accounts = desk.accounts(1500)
    before, after = desk.places(OLD, accounts), desk.places(NEW, accounts)
    other_program = Service(work)
    again = desk.places(OLD, accounts, other_program)
    other_program.program.end()
    for names, places in ((OLD, before), (NEW, after)):
        strange = [place for place in places.values() if place not in names]
        expect(not strange, expected=f"one of {', '.join(names)}", seen=f"{strange[:1]!r}")
    other = [account for account in accounts if before[account] != again[account]]
    seen = f"{len(other)} of 1,500 accounts are elsewhere in another process, or when the names come in another order"
    expect(not other, expected="the same shard in every process", seen=seen)
    for names, places in ((OLD, before), (NEW, after)):
        share = Counter(places.values())
        fair = all(0.6 < share[name] * len(names) / 1500 < 1.4 for name in names)
        expect(fair, expected=f"about 1,500 / {len(names)} accounts on each shard", seen=f"{dict(share)}")
        evidence.note(", ".join(f"{name} {share[name]}" for name in names) + " of 1,500 accounts")
    astray = [account for account in accounts if before[account] != after[account] != "west"]
    seen = f"{len(astray)} of 1,500 accounts move between the shards that were there before"
    expect(not astray, expected="with a third shard accounts move to it, and nowhere else", seen=seen)


def test_pays(desk):
    """After `create` (twice), what is submitted is done by a worker; the same request submitted again has no second effect."""
    for when in ("on empty servers", "once more"):
        desk.service.start("create", desk.shards(NEW)).gave(when)
    accounts = desk.accounts(12)
    desk.settle(accounts, "because nobody knows it yet")
    early = desk.post(accounts)
    desk.submit(early[::2], again=True)
    with desk.working():
        desk.settle(accounts, "after a worker has done the postings")
        desk.submit(early, again=True)
        for _ in range(2):  # what the second submission may have left behind is done before these, or with them
            desk.post(accounts)
            desk.settle(accounts, "after requests were submitted again")


def test_shares_the_work(desk):
    """Two workers do two postings of one shard at the same time, and each posting is priced once."""
    accounts = desk.accounts_on("south", 12)
    pair = [desk.posting(account) for account in accounts[:2]]
    for one in pair:
        desk.service.hold(one[0])
    desk.submit(pair)
    with desk.working(2):
        seen = "one worker has a posting, and the other waits until it is through: two workers are no faster than one"
        desk.held(pair, "two workers have a posting of the same shard each", seen)
        for one in pair:
            desk.service.release(one[0])
        postings = pair + desk.post(accounts)
        desk.settle(accounts, "with two workers")
    twice = [one[0] for one in postings if len(desk.service.asked(one[0])) != 1]
    seen = f"{len(twice)} were priced more than once: two workers had the same posting"
    expect(not twice, expected=f"each of {len(postings)} postings is priced once, with a lease of {LONG} s", seen=seen)


def test_takes_over(desk):
    """A worker is killed in the middle of a posting: when its lease is over, another does it."""
    (account,) = desk.accounts_on("south", 1)
    with desk.working(lease=SHORT) as (first,):
        posting = desk.hold_one(account)
        desk.workers = []
        first.kill()
    with desk.working(lease=SHORT):
        desk.settle([account], f"after its worker was killed, with a lease of {SHORT} s")
    desk.service.release(posting[0])


def test_fences_the_late(desk):
    """A worker is frozen in the middle, another takes over; the first one wakes up and changes nothing, and goes on working."""
    (account,) = desk.accounts_on("south", 1)
    with desk.working(lease=SHORT) as (first,):
        posting = desk.hold_one(account)
        first.signal(signal.SIGSTOP)
        with desk.working(lease=SHORT):
            when = f"while its worker is frozen (alive, its connection open), after a lease of {SHORT} s"
            desk.settle([account], when)
        desk.service.release(posting[0])
        first.signal(signal.SIGCONT)
        desk.workers = [first]
        for _ in range(2):  # one worker: when it has done these, it is through with the first
            desk.post([account])
            desk.settle([account], "after the frozen worker woke up")


@contextmanager
def started_again(node: Any) -> Any:
    """A server that may be killed here, and runs afterwards."""
    try:
        yield
    finally:
        node.start()


def test_survives_a_shard(desk, stack):
    """A shard dies in the middle of a posting: the others go on, nothing is accepted for it.

    When it is back, the same worker does the rest.
    """
    north, south = desk.accounts_on("north", 4), desk.accounts_on("south", 4)
    with desk.working(lease=SHORT), started_again(stack["south"]):
        desk.post(north + south)
        desk.settle(north + south, "before the fault")
        posting = desk.hold_one(south[0])
        stack["south"].kill()
        desk.service.release(posting[0])
        lost = desk.posting(south[1])
        told = desk.service.start("submit", desk.shards(), *lost).outcome("submit to a dead shard raises")
        seen = "True, but its shard is down: what was accepted is nowhere, or on another shard"
        expect(told.get("gave") is not True, expected="submit does not give True while the account's shard is down", seen=seen)
        desk.post(north)
        desk.settle(north, "while the other shard is down")
        stack["south"].start()
        desk.submit([lost])
        desk.post(south)
        desk.settle(south, "after its shard came back")


def syncing(stack) -> int:
    """How many commits wait for the standby."""
    return int(Database(stack["north"]).value("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"))


def test_scales_out(desk, stack):
    """A third shard is added by `rescale`, which is killed and repeated: what is done, what waits and known requests all move.

    Nothing counts twice, and the shard from which accounts have moved may die.
    """
    moved, accounts = movers(desk)
    with desk.working():
        done = desk.post(accounts)
        desk.settle(accounts, "before the third shard")
        older = desk.sound(set(desk.due) - set(accounts))
    waiting = desk.post(accounts)
    rescale_interrupted(desk, stack)
    for when in ("after it was killed", "when all has moved already"):
        desk.service.start("rescale", desk.shards(OLD), desk.shards(NEW)).gave(when)
    with desk.working(names=NEW):
        desk.settle(accounts, "after the third shard was added (half of the postings were done before, half were waiting)", NEW)
        desk.settle(older, "after the third shard was added, twice, the first time not to the end", NEW)
        desk.submit(done + waiting, NEW, again=True)
        for _ in range(2):
            desk.post(accounts, NEW)
            desk.settle(accounts, "after known requests were submitted again on the new shards", NEW)
    with started_again(stack["south"]):
        stack["south"].kill()
        desk.settle(moved, "with the shard dead from which they have moved", NEW)


def movers(desk: Desk) -> tuple[list[str], list[str]]:
    """Fresh accounts that will move from south to the new shard; and these with others of each kind."""
    fresh = desk.accounts(150)
    before, after = desk.places(OLD, fresh), desk.places(NEW, fresh)
    kinds: dict[tuple[str, str], list[str]] = {}
    for account in fresh:
        kinds.setdefault((before[account], after[account]), []).append(account)
    return kinds["south", "west"][:5], [account for kind in kinds.values() for account in kind[:5]]


def rescale_interrupted(desk: Desk, stack: Any) -> None:
    """Run `rescale` until it wants to change south, which is locked against changes; kill it there, and its sessions."""
    south = Database(stack["south"])
    ours = "pid <> pg_backend_pid() AND backend_type = 'client backend' AND application_name <> 'delab'"
    with south.session() as session, session.cursor() as cursor:
        tables = [name for (name,) in south.rows(TABLES)]
        expect(tables, expected="tables on south", seen="there are none, though accounts are there")
        cursor.execute(f"BEGIN; LOCK TABLE {', '.join(tables)} IN SHARE MODE")
        call = desk.service.start("rescale", desk.shards(OLD), desk.shards(NEW))
        until_or(lambda: call.ended() or south.value("SELECT count(*) FROM pg_locks WHERE NOT granted"), 10)
        call.kill()
        south.rows(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {ours}")
        cursor.execute("ROLLBACK")


def test_loses_nothing_acknowledged(desk, stack, evidence):
    """North's standby is cut off, requests come, also again after a crash; north dies, the standby is promoted: nothing is lost.

    What was acknowledged is there, and the worker from before goes on, with the new primary.
    """
    accounts = desk.accounts_on("north", 6)
    with desk.working(lease=SHORT):
        desk.post(accounts[:3])
        desk.settle(accounts[:3], "before the failover")
        stack.cut("north", "north_standby")
        postings = [desk.posting(account) for account in accounts[3:]]
        calls = begin(desk, postings)
        until_or(lambda: sum(not call.ended() for call in calls) <= syncing(stack), 3)
        stack["north"].kill()
        until_or(lambda: all(call.ended() for call in calls), 3)
        for call in calls:
            call.kill()  # one that tries again must not find the server that comes back
        first = acknowledged(calls, postings, "when its client is killed")
        stack["north"].start()
        calls = begin(desk, postings)
        until_or(lambda: all(call.ended() for call in calls), 3)
        stack["north"].kill()
        promote(stack)
        again = acknowledged(calls, postings, "after the failover")
        known = [one for one in postings if one in first or one in again]
        for one in known:
            desk.owe(one)
        counts = f"{len(first)} of 3 requests were acknowledged while it was cut off, {len(again)} when they were submitted again"
        desk.settle(accounts[:3] + [one[1] for one in known], f"on the promoted standby: {counts}")
        desk.submit(known, again=True)
        desk.submit([one for one in postings if one not in known])
        desk.settle(accounts, "after the failover, and after all requests were submitted again")
        evidence.note(f"the standby was cut off: {counts}; none is lost, none counts twice")


def begin(desk: Desk, postings: list[list[Any]]) -> list[Call]:
    """Submit all at once, each in a process of its own."""
    return [desk.service.start("submit", desk.shards(), *posting) for posting in postings]


def acknowledged(calls: list[Call], postings: list[list[Any]], when: str) -> list[list[Any]]:
    """The postings whose submit gave True."""
    told = [call.outcome(f"submit ends {when}") for call in calls]
    return [one for one, how in zip(postings, told, strict=True) if how.get("gave") is True]


def promote(stack: Any) -> None:
    """Make the standby the primary."""
    standby = Database(stack["north_standby"])
    standby.execute("SELECT pg_promote()")
    assert not standby.value("SELECT pg_is_in_recovery()")


if __name__ == "__main__":
    main(__file__)
