"""Runs a schedule: statements of two sessions in a given order, at a given isolation level, on the real server."""

import queue
import re
import threading
from dataclasses import dataclass, field
from typing import Any

import psycopg2

from delab import wait
from delab.errors import Timeout
from delab.services.postgres import dsn

STATEMENT_SECONDS = 10


@dataclass
class Outcome:
    """What one statement gave: its tag (`UPDATE 1`), its rows, or the SQLSTATE and text of its error."""

    session: str
    statement: str
    tag: str = ""
    rows: list[tuple[Any, ...]] | None = None
    state: str = ""
    error: str = ""


@dataclass
class Played:
    """A schedule that was played."""

    outcomes: list[Outcome] = field(default_factory=list)

    def of(self, session: str) -> list[Outcome]:
        """One session's statements."""
        return [outcome for outcome in self.outcomes if outcome.session == session]

    def changed(self, session: str, verb: str) -> int:
        """Rows that a session's statements of a kind (UPDATE, INSERT, DELETE) changed."""
        tags = [outcome.tag.split() for outcome in self.of(session) if outcome.tag.startswith(verb)]
        return sum(int(tag[-1]) for tag in tags)

    def errors(self) -> list[Outcome]:
        """The statements that failed."""
        return [outcome for outcome in self.outcomes if outcome.state]


class Player:
    """One session in a thread of its own, because a statement may wait for the other session."""

    def __init__(self, endpoint, level: str) -> None:
        options = f"-c default_transaction_isolation={level.replace(' ', '%20')} -c statement_timeout={STATEMENT_SECONDS}s"
        self.connection = psycopg2.connect(dsn(endpoint), options=options.replace("%20", "\\ "), application_name="delab")
        self.connection.autocommit = True
        self.pid = self.connection.info.backend_pid
        self.todo: queue.SimpleQueue[Outcome | None] = queue.SimpleQueue()
        self.pending = 0
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def submit(self, outcome: Outcome) -> None:
        """Have a statement run after those before it."""
        self.pending += 1
        self.todo.put(outcome)

    def work(self) -> None:
        """Run statements as they come."""
        while (outcome := self.todo.get()) is not None:
            self.execute(outcome)
            self.pending -= 1

    def execute(self, outcome: Outcome) -> None:
        """Run one statement and note what it gave."""
        try:
            with self.connection.cursor() as cursor:
                cursor.execute(outcome.statement)
                outcome.tag = cursor.statusmessage or ""
                outcome.rows = cursor.fetchall() if cursor.description else None
        except psycopg2.Error as error:
            outcome.state, outcome.error = error.pgcode or "?", str(error).strip()

    def close(self) -> None:
        """End the session; what it has not committed is gone."""
        self.connection.cancel()
        self.todo.put(None)
        self.thread.join(STATEMENT_SECONDS)
        self.connection.close()


def play(database, steps: list[list[str]], level: str) -> Played:
    """Play the steps: each is begun when the one before has ended or waits for a lock."""
    players = {name: Player(database.node.endpoint, level) for name in dict.fromkeys(step[0] for step in steps)}
    played = Played()
    try:
        for session, statement in steps:
            outcome = Outcome(session, statement)
            played.outcomes.append(outcome)
            players[session].submit(outcome)
            settle(database, players[session])
        for player in players.values():
            finish(player)
    finally:
        for player in players.values():
            player.close()
    return played


def settle(database, player: Player) -> None:
    """Wait until a player has done all it was given, or waits for another."""
    waits = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s"
    wait.until(lambda: not player.pending or database.value(waits, player.pid), seconds=STATEMENT_SECONDS, what="a statement")


def finish(player: Player) -> None:
    """Wait for a player's last statement; one that waits for ever is cancelled when the player is closed."""
    try:
        wait.until(lambda: not player.pending, seconds=STATEMENT_SECONDS, what="a schedule to end")
    except Timeout:
        return


def reads(played: Played, session: str, table: str) -> bool:
    """Whether a session reads a table before it first writes to it."""
    for outcome in played.of(session):
        if re.match(r"\s*(update|insert|delete)\b", outcome.statement, re.I):
            return False
        if outcome.rows is not None and re.search(rf"\b{table}\b", outcome.statement, re.I):
            return True
    return False


def repeated_query(played: Played, session: str) -> list[Any] | None:
    """The results of a query that a session repeats within a transaction; of several, one whose results differ."""
    found: list[list[Any]] = []
    seen: dict[str, list[Any]] = {}
    inside = False
    for outcome in played.of(session):
        text = " ".join(outcome.statement.lower().rstrip("; ").split())
        if re.match(r"(begin|start|commit|end|rollback|abort)\b", text):
            seen, inside = {}, text.startswith(("begin", "start"))
        elif outcome.rows is not None and inside:
            seen.setdefault(text, []).append(sorted(map(repr, outcome.rows)))
            if len(seen[text]) == 2:
                found.append(seen[text])
    return max(found, key=differ, default=None)


def differ(results: list[Any]) -> bool:
    """Whether a query's results are not always the same."""
    return any(result != results[0] for result in results)
