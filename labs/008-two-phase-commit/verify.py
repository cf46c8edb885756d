"""Checks of lab 8: paid on both servers or on neither, whatever dies and when."""

import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from wire import Trap, Wire

from delab import wait
from delab.checks import CheckFailed, Database, expect, fail, main, show

DRIVER = Path(__file__).parent / "driver.py"
SECONDS = 20  # that one call may take
SERVERS = ("sales", "bank")
SQLALCHEMYS = "_sa_" + "0f" * 16  # as SQLAlchemy calls what nobody has named
STRANGERS = ("stranger", SQLALCHEMYS)


class Coordinator:
    """The learner's module in a process; each call is a process of its own, and goes through the wire."""

    def __init__(self, stack, work) -> None:
        self.stack, self.work, self.wire = stack, work, Wire()
        self.log = work.run_folder / "decisions.log"
        self.urls = [self.url(name) for name in SERVERS]
        command = [sys.executable, str(DRIVER)]
        env = {"PYTHONPATH": str(work.folder), "PYTHONSAFEPATH": "1"}
        self.program = work.start_command(command, env=env, interactive=True, seconds=600)
        self.heard = 0

    def url(self, name: str) -> str:
        """A server's address through the wire."""
        at = self.stack[name].endpoint
        port = self.wire.tap(name, at.port)
        return f"postgresql+psycopg2://{at.user}:{at.password}@127.0.0.1:{port}/{at.database}"

    def call(self, name: str, *arguments: Any, trap: Trap | None = None) -> dict[str, Any]:
        """Call a function; the wire is armed before it begins."""
        self.program.say(json.dumps([name, *self.urls, str(self.log), *arguments]) + "\n")
        self.pid = int(self.hear()["pid"])
        self.wire.begin(trap)
        self.program.say("!")
        return self.hear()

    def hear(self) -> dict[str, Any]:
        """The next line of the driver."""

        def line() -> str:
            lines = self.program.out.text().splitlines(keepends=True)
            return lines[self.heard] if len(lines) > self.heard and lines[self.heard].endswith("\n") else ""

        try:
            self.program.wait_for(line, seconds=SECONDS, expected="pay and recover come to an end")
        except CheckFailed:
            self.skip_answer()
            raise
        told = json.loads(line())
        self.heard += 1
        return told

    def skip_answer(self) -> None:
        """Kill a call that does not end, so that the next one can be made."""
        with suppress(ProcessLookupError):
            self.kill()
        before = self.heard
        wait.until(lambda: self.program.out.text().count("\n") > before or not self.program.running(), seconds=10, what="its end")
        self.heard += 1

    def kill(self) -> None:
        """Kill the process that makes the call."""
        os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """End all."""
        self.program.end()
        self.wire.close()


@pytest.fixture(scope="module")
def coordinator(stack, work):
    """The learner's coordinator."""
    made = Coordinator(stack, work)
    yield made
    made.close()


class Books:
    """What both servers know; `order` numbers the orders of this verification."""

    def __init__(self, stack) -> None:
        self.sales, self.bank = (Database(stack[name]) for name in SERVERS)
        self.order = 100

    def next_order(self) -> int:
        """A number that was not used yet."""
        self.order += 1
        return self.order

    def balance(self, customer: int) -> int:
        """The money of a customer."""
        return int(self.bank.value("SELECT balance FROM accounts WHERE customer_id = %s", customer))

    def booked(self, order: int) -> bool:
        """Whether an order is in the shop."""
        return bool(self.sales.value("SELECT count(*) FROM orders WHERE order_id = %s", order))

    def in_doubt(self) -> list[str]:
        """The prepared transactions of both servers, as `server: name`."""
        query = "SELECT gid FROM pg_prepared_xacts WHERE gid <> ALL (%s)"
        servers = zip(SERVERS, (self.sales, self.bank), strict=True)
        return [f"{name}: {gid}" for name, server in servers for (gid,) in server.rows(query, list(STRANGERS))]


@pytest.fixture(scope="module")
def books(stack) -> Books:
    """Both servers' books."""
    return Books(stack)


def gave(told: dict[str, Any], call: str) -> Any:
    """The value of a call that must not raise."""
    if "gave" not in told:
        fail(
            expected=f"{call} returns True or False", seen=f"it {'raised ' + show(told['raised']) if 'raised' in told else 'died'}"
        )
    return told["gave"]


def test_pays(coordinator, books):
    """`pay` books the order and takes the money, returns True, and leaves nothing in doubt; the whole balance may be spent."""
    order, before = books.next_order(), books.balance(1)
    value = gave(coordinator.call("pay", order, 1, 70), "pay")
    expect(value is True, expected="pay gives True", seen=f"{value!r}")
    rows = books.sales.rows("SELECT customer_id, amount FROM orders WHERE order_id = %s", order)
    expect(rows == [(1, 70)], expected=f"order {order} of customer 1 over 70 in sales", seen=f"{rows}")
    after = books.balance(1)
    expect(after == before - 70, expected=f"{before - 70} left on the account", seen=f"{after}")
    expect(not books.in_doubt(), expected="no prepared transaction is left", seen=f"in doubt: {', '.join(books.in_doubt())}")
    value = gave(coordinator.call("pay", books.next_order(), 35, books.balance(35)), "pay")
    seen = f"{value!r}, and {books.balance(35)} left"
    expect(value is True and not books.balance(35), expected="True for the whole balance, and 0 left: there is enough", seen=seen)


def test_prepares_before_it_commits(coordinator, books):
    """Both servers have prepared before either is told to commit."""
    gave(coordinator.call("pay", books.next_order(), 2, 10), "pay")
    steps = coordinator.wire.steps
    told = ", ".join(f"{step} on {server}" for server, step in steps)
    prepared: set[str] = set()
    for server, step in steps:
        if step == "PREPARE TRANSACTION":
            prepared.add(server)
        elif step == "COMMIT PREPARED":
            seen = f"{told}: a crash in between leaves one side committed and the other without a promise"
            expect(len(prepared) == 2, expected="PREPARE TRANSACTION on both, then COMMIT PREPARED", seen=seen)
    seen = f"{told or 'no such statement'}: not a two-phase commit"
    expect(len(prepared) == 2 and ("bank", "COMMIT PREPARED") in steps, expected="PREPARE TRANSACTION on both servers", seen=seen)


def test_refuses(coordinator, books):
    """Without enough money, without an account, or with a number that is taken, `pay` returns False and changes nothing."""
    order, before = books.next_order(), books.balance(3)
    taken = books.order - 1
    cases = [
        (order, 3, before + 1, "an order over more than the balance"),
        (books.next_order(), 999, 5, "a customer without an account"),
        (taken, 3, 5, "an order number that is taken"),
    ]
    orders = books.sales.rows("SELECT * FROM orders ORDER BY 1")
    for number, customer, amount, what in cases:
        value = gave(coordinator.call("pay", number, customer, amount), f"pay for {what}")
        expect(value is False, expected=f"False for {what}", seen=f"{value!r}")
        now = books.sales.rows("SELECT * FROM orders ORDER BY 1")
        expect(now == orders, expected=f"no change in sales after {what} was refused", seen=f"{sorted(set(now) ^ set(orders))}")
        left = books.in_doubt()
        expect(
            not left,
            expected=f"nothing in doubt after {what} was refused",
            seen=f"in doubt: {', '.join(left)}: it holds its locks for ever",
        )
    expect(books.balance(3) == before, expected=f"{before} on the account", seen=f"{books.balance(3)}")


def atomic(books: Books, order: int, customer: int, before: int, amount: int, when: str) -> bool:
    """Both sides or neither, and nothing in doubt; returns whether it is paid."""
    left = books.in_doubt()
    expect(not left, expected=f"nothing in doubt after recover ({when})", seen=f"still in doubt: {', '.join(left)}")
    booked, money = books.booked(order), before - books.balance(customer)
    expect(money in (0, amount), expected=f"0 or {amount} taken", seen=f"{money} taken ({when})")
    sides = f"{'booked' if booked else 'not booked'} in sales, money {'taken' if money else 'not taken'} at the bank"
    expect(booked == bool(money), expected=f"both or neither ({when})", seen=f"only one side: {sides}")
    return booked


def recovered(coordinator: Coordinator, when: str) -> None:
    """Run recover; it may not raise."""
    told = coordinator.call("recover")
    seen = f"it raised {show(told.get('raised', 'nothing, it died'))} ({when})"
    expect("gave" in told, expected="recover comes to its end, and all is decided", seen=seen)


def steps_of_a_payment(coordinator: Coordinator, books: Books) -> list[str]:
    """The steps of an undisturbed payment, for a message: `PREPARE TRANSACTION on sales`."""
    gave(coordinator.call("pay", books.next_order(), 4, 1), "pay")
    return [f"{step} on {server}" for server, step in coordinator.wire.steps]


def test_survives_its_own_death(coordinator, books, evidence):
    """The coordinator is killed before and after each step of a payment; `recover` leaves it paid on both servers or on neither.

    Of a payment that is refused, nothing is left.
    """
    steps = steps_of_a_payment(coordinator, books)
    outcomes = []
    for place, step in enumerate(steps):
        for moment in ("before", "after"):
            when = f"killed {moment} {step}"
            customer, order = 5 + len(outcomes) % 30, books.next_order()
            before = books.balance(customer)
            trap = Trap(place, moment, coordinator.kill)
            coordinator.call("pay", order, customer, 7, trap=trap)
            expect(
                trap.sprung.is_set(),
                expected=f"a payment with the same steps as the one before: {', '.join(steps)}",
                seen="other steps",
            )
            recovered(coordinator, when)
            paid = atomic(books, order, customer, before, 7, when)
            outcomes.append(f"{when}: {'paid' if paid else 'not paid'}")
            again = gave(coordinator.call("pay", books.next_order(), customer, 1), "the next payment of the same customer")
            expect(again is True, expected=f"the customer can pay again ({when})", seen=f"{again!r}")
    evidence.note("; ".join(outcomes))
    see_refusals_survive(coordinator, books)


def see_refusals_survive(coordinator: Coordinator, books: Books) -> None:
    """Fail the check if the coordinator, killed at a step of a payment that is refused, leaves a trace of it."""
    taken, customer = books.next_order(), 38
    gave(coordinator.call("pay", taken, 4, 1), "pay")
    before, orders = books.balance(customer), books.sales.rows("SELECT * FROM orders ORDER BY 1")
    cases = {"a number that is taken": (taken, 5), "more than the balance": (books.next_order(), before + 1)}
    for what, (order, amount) in cases.items():
        coordinator.call("pay", order, customer, amount)
        for place, (server, step) in enumerate(list(coordinator.wire.steps)):
            for moment in ("before", "after"):
                when = f"a payment of {what}, killed {moment} {step} on {server}"
                coordinator.call("pay", order, customer, amount, trap=Trap(place, moment, coordinator.kill))
                recovered(coordinator, when)
                left, money = books.in_doubt(), before - books.balance(customer)
                expect(not left, expected=f"nothing in doubt after recover ({when})", seen=f"still in doubt: {', '.join(left)}")
                same = books.sales.rows("SELECT * FROM orders ORDER BY 1") == orders
                seen = f"{money} taken, orders {'as before' if same else 'changed'}: decided by another payment's log?"
                expect(same and not money, expected=f"no change ({when})", seen=seen)


def test_survives_its_death_in_recovery(coordinator, books):
    """`recover` itself is killed before and after each of its steps; the next `recover` finishes the work."""
    steps = steps_of_a_payment(coordinator, books)
    first_commit = next(place for place, step in enumerate(steps) if step.startswith("COMMIT PREPARED"))
    for place, moment in ((0, "before"), (0, "after"), (1, "before"), (1, "after")):
        order, before = books.next_order(), books.balance(36)
        coordinator.call("pay", order, 36, 3, trap=Trap(first_commit, "before", coordinator.kill))
        coordinator.call("recover", trap=Trap(place, moment, coordinator.kill))
        when = f"killed before the first COMMIT PREPARED, then recover killed {moment} its step {place + 1}"
        recovered(coordinator, when)
        atomic(books, order, 36, before, 3, when)


def test_survives_the_bank(coordinator, books, stack):
    """The bank's or the shop's server dies when both have prepared; `recover`, when it is back, makes true what `pay` has said.

    True: it is complete. False: it never was. If `pay` raised, both are possible, but not half of it.
    """
    steps = steps_of_a_payment(coordinator, books)
    for customer, server in ((37, "bank"), (39, "sales")):
        commit = next(place for place, step in enumerate(steps) if step == f"COMMIT PREPARED on {server}")
        order, before = books.next_order(), books.balance(customer)
        told = coordinator.call("pay", order, customer, 9, trap=Trap(commit, "before", stack[server].kill))
        stack[server].start()
        when = f"the {server} server died before its COMMIT PREPARED"
        recovered(coordinator, when)
        paid = atomic(books, order, customer, before, 9, when)
        if told.get("gave") is True:
            expect(paid, expected=f"paid, because pay said True ({when})", seen="not paid")
        if told.get("gave") is False:
            expect(not paid, expected=f"not paid, because pay said False ({when})", seen="paid")


def test_leaves_strangers_alone(coordinator, books):
    """`recover` decides the coordinator's own transactions only: prepared transactions of others stay as they are."""
    locked, made = "UPDATE accounts SET balance = balance + 0 WHERE customer_id = 40", "CREATE TABLE elsewhere ()"
    one, two = STRANGERS
    strangers = [(books.bank, one, locked), (books.sales, one, made), (books.bank, two, made)]
    for server, name, change in strangers:
        server.execute(f"BEGIN; {change}; PREPARE TRANSACTION '{name}'")
    try:
        recovered(coordinator, "with a stranger's transaction in doubt")
        for server, name, _ in strangers:
            left = server.value("SELECT count(*) FROM pg_prepared_xacts WHERE gid = %s", name)
            any_program = ": SQLAlchemy names those of every program so, unless it is told a name" if name == SQLALCHEMYS else ""
            expected = f"the prepared transaction {name} of another application is still there"
            expect(left == 1, expected=expected, seen=f"recover has decided it{any_program}")
    finally:
        for server, name, _ in strangers:
            if server.value("SELECT count(*) FROM pg_prepared_xacts WHERE gid = %s", name):
                server.execute(f"ROLLBACK PREPARED '{name}'")


if __name__ == "__main__":
    main(__file__)
