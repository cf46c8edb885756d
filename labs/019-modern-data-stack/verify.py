"""Checks of lab 19: the learner's Compose file is judged, brought up as another project on fresh data, hurt, and started again."""

import json
import random
import re
import secrets
import shutil
import socket
from collections import defaultdict
from contextlib import suppress
from decimal import Decimal
from http.client import HTTPException
from typing import Any

import pytest
from compose import GATE, Compose, get, was_started
from rules import Rules

from delab import engine, wait
from delab.checks import expect, fail, main
from delab.errors import Timeout
from delab.projects import own_image

TROUBLE = (OSError, HTTPException, ValueError, LookupError, TypeError, ArithmeticError)  # no answer, or none that fits
SECONDS = 60
PATIENCE = 60  # seconds that the storage may take, by what its health check says
PRODUCTS = ("coffee", "tea", "cocoa", "water", "juice", "crème brûlée, large")
LONG, SHORT = ("storage", "serve"), ("ingest", "compute")
ORDER = (("ingest", "compute"), ("compute", "serve"))


class Shop:
    """The stack, the files in its inbox, and what it has to say of them."""

    def __init__(self, project: Any, work: Any, seed: int) -> None:
        place = work.run_folder
        self.work, self.dice, self.number = work, random.Random(seed), 0
        self.inbox, self.password = place / "inbox", secrets.token_hex(16)
        self.inbox.mkdir()
        self.inbox.chmod(0o755)  # others read it in containers, whatever this person's umask
        self.secret = place / "secret"
        self.secret.write_text(self.password + "\n")
        self.secret.chmod(0o644)
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.port = server.getsockname()[1]
        self.truth: dict[tuple[str, str], list[Any]] = defaultdict(lambda: [0, Decimal(0)])
        variables = {"INBOX": str(self.inbox), "PORT": str(self.port), "PASSWORD_FILE": str(self.secret)}
        self.compose = Compose(project, work.folder, variables)
        self.image = own_image(project.subject)
        self.config: dict[str, Any] = {}
        self.gated = False

    def put(self, day: str) -> None:
        """A new file in the inbox, and what it adds to the truth."""
        lines = ["sale_id,day,product,quantity,price"]
        for _ in range(self.dice.randint(150, 250)):
            self.number += 1
            product, quantity = self.dice.choice(PRODUCTS), self.dice.randint(1, 9)
            price = Decimal(self.dice.randint(100, 2000)) / 100
            shown = f'"{product}"' if "," in product else product
            lines.append(f"s-{self.number},{day},{shown},{quantity},{price}")
            entry = self.truth[day, product]
            entry[0] += quantity
            entry[1] += quantity * price
        path = self.inbox / f"{day}.csv"
        path.write_text("\n".join(lines) + "\n")
        path.chmod(0o644)

    def daily(self) -> list[tuple[tuple[str, str], tuple[int, Decimal]]]:
        """What the stack serves: day and product, quantity and revenue. Raises one of TROUBLE."""
        return sorted(((row[0], row[1]), (int(row[2]), Decimal(row[3]))) for row in get(self.port, "/daily"))

    def due(self) -> list[tuple[tuple[str, str], tuple[int, Decimal]]]:
        """What it should serve."""
        return sorted((key, (sums[0], sums[1])) for key, sums in self.truth.items())

    def right(self, when: str) -> None:
        """The stack serves the truth."""
        expected = f"/daily gives {len(self.truth)} rows with the sums of all files {when}"
        try:
            rows = self.daily()
        except TROUBLE as error:
            fail(expected=expected, seen=f"{error}; the last words of serve: {self.compose.log('serve')}")
        told = dict(rows)
        twice = len(rows) - len(told)
        expect(not twice, expected=expected, seen=f"{len(rows)} rows: {twice} are of a day and product that come more than once")
        wrong = [key for key in self.truth if told.get(key) != tuple(self.truth[key])] + [
            key for key in told if key not in self.truth
        ]
        if wrong:
            due, seen = tuple(self.truth.get(wrong[0], ())), told.get(wrong[0])
            words = f"{len(wrong)} are wrong or missing; of {wrong[0]} {shown(seen)}, not {shown(due)}"
            fail(expected=expected, seen=words + recognised(seen, due))

    def exited(self, service: str) -> str:
        """How a service ended, if it failed."""
        state = self.compose.state(service)
        failed = state.get("Status") in ("exited", "dead") and state.get("ExitCode")
        return f"{service} ended with {state['ExitCode']}: {self.compose.log(service)}" if failed else ""

    def up(self, when: str) -> None:
        """Bring it up; the gate, if it is closed, is opened once the storage has been seen not to be ready."""
        run = self.compose.start()
        try:
            if self.gated:
                self.wait_behind_the_gate(run)
            said = self.end_of(run, when)
        finally:
            run.kill()
            run.communicate()
        if self.gated:
            self.in_order()
        trouble = next(filter(None, map(self.exited, (*SHORT, *LONG))), explained(said))
        seen = f"{run.returncode}: {trouble}"
        expect(run.returncode == 0, expected=f"`docker compose up -d --wait` ends with 0 {when}", seen=seen)

    def in_order(self) -> None:
        """Those that need what others do began when these had ended."""
        for first, second in ORDER:
            one, other = self.compose.state(first), self.compose.state(second)
            if was_started(other):
                early = one.get("Status") != "exited" or one["FinishedAt"] > other["StartedAt"]
                seen = f"{second} was started before"
                expect(not early, expected=f"{second} is started when {first} has ended", seen=seen)

    def end_of(self, run: Any, when: str) -> str:
        """The last words of `up`."""

        def over() -> bool:
            for name in SHORT:
                seen = f"{name} is restarted whenever it ends: it never counts as done, and `up` waits for ever"
                expect(not self.compose.restarts_for_ever(name), expected=f"{name} ends, and stays ended", seen=seen)
            return run.poll() is not None

        try:
            wait.until(over, seconds=SECONDS * 2, what="up")
        except Timeout:
            states = {
                name: f"{self.compose.state(name).get('Status')} {self.compose.health(name)}".strip() for name in (*LONG, *SHORT)
            }
            fail(expected=f"`docker compose up -d --wait` comes to an end {when}", seen=f"it still waits: {states}")
        return str(run.stderr.read()).strip()[-300:]

    def wait_behind_the_gate(self, run: Any) -> None:
        """The storage's port answers and it is not ready: nobody says that it is, and nobody is started who needs it."""
        compose = self.compose
        why = "the storage's port answers already, but it takes no query yet"

        def probed() -> bool:
            seen = f"it counts as unhealthy after {compose.patience('storage'):.0f} s, and `up` fails"
            expect(
                compose.patience("storage") >= PATIENCE, expected=f"the storage may take {PATIENCE} s to become ready", seen=seen
            )
            health = compose.state("storage").get("Health") or {}
            expect(
                health.get("Status") != "healthy", expected="the storage is healthy when it answers a query", seen=f"it is: {why}"
            )
            for name in ("ingest", "compute", "serve"):
                begun = was_started(compose.state(name))
                expect(not begun, expected=f"{name} is started when the storage is ready", seen=f"it is started: {why}")
            ended = run.poll() is not None
            said = self.exited("storage") or run.stderr.read()[-400:] if ended else ""
            seen = f"docker compose up has ended with {run.returncode}; {said}"
            expect(not ended, expected="`docker compose up --wait` waits for the storage", seen=seen)
            return len(health.get("Log") or []) >= 2

        try:
            wait.until(probed, seconds=SECONDS, what="health checks")
        except Timeout:
            health = (self.config["services"]["storage"]).get("healthcheck") or {}
            seen = f"within {SECONDS} s it was not: {json.dumps(health) if health else 'it has none'}"
            fail(expected="the health of the storage is looked at, twice within 20 s", seen=seen)
        compose.open()


def explained(said: str) -> str:
    """What `up` says, with the reason of its oddest refusal."""
    found = re.search(r"-(\w+)-\d+ exited \(0\)", said)
    return f"{found[1]} has ended, and no service that stays waits for just that; {said}" if found else said


def shown(entry: Any) -> str:
    """A row's sums."""
    return f"{entry[0]} pieces for {entry[1]}" if entry else "nothing"


def recognised(seen: Any, due: Any) -> str:
    """A mistake that the sums give away."""
    if seen and due and seen[0] > due[0] and seen[0] % due[0] == 0:
        return f": every sale counts {seen[0] // due[0]} times"
    return ""


@pytest.fixture(scope="module")
def shop(project, work, seed) -> Shop:
    """The stack, not yet up."""
    made = Shop(project, work, seed)
    made.compose.there()
    return made


def test_is_contained(shop, project, work):
    """The Compose file asks for no more than it needs: no root, no folder of the machine's, ports on 127.0.0.1, all its own."""
    config, trouble = shop.compose.config()
    expect(config, expected="`docker compose config` understands compose.yaml", seen=trouble)
    rules = Rules(config, project.name, shop.image, work.folder, (shop.inbox, shop.secret))
    if broken := rules.broken():
        fail(expected=broken[0], seen=broken[1])
    published = [port.get("published") for port in config["services"]["serve"].get("ports") or []]
    seen = f"serve publishes {', '.join(map(str, published)) or 'none'}"
    expect(str(shop.port) in map(str, published), expected=f"serve is published on the port in $PORT ({shop.port})", seen=seen)
    shop.config = config


def test_waits_until_ready(shop, evidence):
    """`docker compose up -d --wait` succeeds; each service is started only when what it needs is ready, or has done its work."""
    for day in ("2026-03-01", "2026-03-02"):
        shop.put(day)
    shop.compose.use(shop.config, GATE)
    shop.gated = True
    shop.up("on fresh data")
    shop.gated = False
    for name in LONG:
        seen = f"it is {shop.compose.health(name) or 'without a health check'}"
        expect(shop.compose.health(name) == "healthy", expected=f"{name} is healthy when it is up", seen=seen)
    evidence.note("the storage's port answered before it was ready, and nobody was started")


def test_delivers(shop):
    """The files of the inbox have gone through ingest, storage and compute to serve."""
    shop.right("in the inbox")


def test_keeps_its_secret(shop, project):
    """The storage's password is the one in the file that $PASSWORD_FILE names, and it is nowhere in what the engine can tell."""
    command = ["sh", "-c", 'PGPASSWORD="$0" psql -qXtA -h 127.0.0.1 -U shop -d shop -c "SELECT 1"', shop.password]
    done = shop.compose.box("storage").exec_run(command)
    seen = f"the storage says: {done.output.decode(errors='replace').strip()[-200:]}"
    expect(done.exit_code == 0, expected="the storage takes the password of $PASSWORD_FILE", seen=seen)
    wrong = shop.compose.box("storage").exec_run([*command[:-1], "something else"])
    expect(wrong.exit_code != 0, expected="the storage takes no other password", seen="it lets everybody in")
    for box in project.containers():
        name = box.labels.get("com.docker.compose.service")
        seen = f"`docker inspect` of {name} shows it"
        expect(shop.password not in json.dumps(box.attrs), expected="the password is only in the secret's file", seen=seen)


def test_is_bounded(shop, project):
    """Every container has a limit of memory, 2 GiB in all, and its log is bounded."""
    total = 0
    for box in project.containers():
        name, host = box.labels.get("com.docker.compose.service"), box.attrs["HostConfig"]
        expect(host["Memory"], expected=f"{name} has a limit of memory", seen="it has none: it may take all there is")
        total += host["Memory"]
        log = host["LogConfig"]
        bounded = log["Type"] in ("local", "none") or (log["Config"] or {}).get("max-size")
        seen = f"the driver {log['Type']} with {log['Config'] or 'no options'}: it grows until the disk is full"
        expect(bounded, expected=f"the log of {name} is bounded (max-size)", seen=seen)
    expect(total <= 2 << 30, expected="the limits of memory sum to 2 GiB at most", seen=f"{total / (1 << 30):.1f} GiB")


def test_comes_back(shop, evidence):
    """The storage's and serve's processes are killed, one after the other: each is started again, and serves what it did before."""
    for name in LONG:
        box = shop.compose.box(name)
        before = box.attrs["State"]["StartedAt"]

        def restarted(name: str = name, before: str = before) -> bool:
            if name == "storage" and shop.compose.state(name)["Running"]:
                shop.compose.open()  # its /tmp may be new
            return shop.compose.state(name)["StartedAt"] != before and shop.compose.health(name) == "healthy"

        def died(name: str = name, before: str = before) -> bool:
            state = shop.compose.state(name)
            return state["Status"] != "running" or state["StartedAt"] != before

        with engine.explained("kill a process"):
            box.exec_run(["sh", "-c", "kill -9 -1"])
        wait.until(died, seconds=20, what=f"{name} to die")
        try:
            wait.until(restarted, seconds=SECONDS, what=f"{name} to come back")
        except Timeout:
            state = shop.compose.state(name)
            seen = (
                f"{name} is {state['Status']} with exit code {state['ExitCode']}"
                if state["Status"] != "running"
                else "it is not healthy"
            )
            fail(expected=f"{name} comes back when its process has died", seen=seen)
        settled(shop, f"after {name} was killed and came back")
    evidence.note("storage and serve were killed, and came back with all data")


def settled(shop: Shop, when: str) -> None:
    """The truth is served, perhaps not at the first try."""

    def there() -> bool:
        try:
            return shop.daily() == shop.due()
        except TROUBLE:
            return False

    with suppress(Timeout):
        wait.until(there, seconds=15, what="/daily")
    shop.right(when)


def test_keeps_its_data(shop, evidence):
    """After `down` and `up` with other files in the inbox, what was there is there; a file that is loaded again counts once."""
    again = sorted(shop.inbox.glob("*.csv"))
    again[0].unlink()
    shutil.copy(again[1], again[1].with_stem(f"{again[1].stem}-again"))
    shop.put("2026-03-03")
    down(shop)
    shop.compose.use(shop.config, "")
    shop.up("after `docker compose down`")
    settled(shop, "that have ever been in the inbox (one came again under two names, one is not there any more)")
    evidence.note("down, up: nothing lost, nothing counted twice")


def down(shop: Shop) -> None:
    """Take the stack down, keeping its volumes, and see that it is gone."""
    done = shop.compose.stack("down", seconds=SECONDS * 2)
    expect(done.returncode == 0, expected="`docker compose down` ends with 0", seen=done.stderr.strip()[-300:])
    assert not shop.compose.project.containers()


def test_runs_again(shop):
    """`docker compose up` with the stack running loads what is new and leaves the rest, as often as one likes."""
    storage = shop.compose.box("storage").id
    shop.put("2026-03-04")
    for when in ("with the stack running", "once more"):
        shop.up(when)
        settled(shop, f"after `docker compose up` {when}")
    kept = shop.compose.box("storage").id == storage
    expect(kept, expected="the storage goes on while new files are loaded", seen="its container was replaced")


if __name__ == "__main__":
    main(__file__)
