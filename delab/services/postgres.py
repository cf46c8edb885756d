"""PostgreSQL: a server of its own, or one that follows another through a replication slot."""

import contextlib
import ctypes
import re
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import psycopg2

from delab import postgres_programs as programs
from delab import process, secrets, wait
from delab.runtime import Endpoint
from delab.services.base import Place
from delab.services.base import Service as Base

SUPERUSER = "postgres"
REPLICATOR = "replicator"
# Iterations hinder the guessing of weak passwords; ours are random and long, and each connection would take 3 ms more.
SINCE_16 = {"scram_iterations": "1"}
SPARSE = {"wal_init_zero": "off"}  # new segments are sparse: quick to copy with a template
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # TCP only: a socket's path may be too long, and containers share none
    "shared_buffers": "32MB",
    "max_connections": "60",
    "max_prepared_transactions": "20",
    "wal_level": "replica",
    **SPARSE,
    "wal_recycle": "off",
    "wal_retrieve_retry_interval": "200ms",
    "dynamic_shared_memory_type": "mmap",  # in the data folder, so that a kill leaves nothing elsewhere
    "jit": "off",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_lock_waits": "on",
    "cluster_name": "",
}


class Service(Base, frozen=True, kw_only=True):
    """Options: `follows` names the primary; `slot` and `role` say how; `settings` go to postgresql.conf."""

    follows: str = ""
    slot: bool = True
    role: str = REPLICATOR
    settings: dict[str, str] = msgspec.field(default_factory=dict)

    packs: ClassVar[tuple[str, ...]] = ("postgres",)
    killable: ClassVar[bool] = True
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT  # "fast": sessions are ended, data is flushed

    def reaches(self) -> tuple[str, ...]:
        """A replica reaches the server that it follows."""
        return (self.follows,) if self.follows else ()

    def version(self) -> str:
        """The program that made the data, and the settings built in here."""
        return f"{programs.folder()} {built_in()}"

    def create(self, place: Place) -> None:
        """Initialise a server, or copy the primary's by a base backup."""
        if self.follows:
            self.create_replica(place)
        else:
            self.create_primary(place)

    def create_primary(self, place: Place) -> None:
        """Run initdb with password authentication, then add our settings."""
        answer = place.folder / "initial-password"
        answer.write_text(secrets.password(SUPERUSER))
        secrets.give_to_services(answer)
        try:
            arguments = ["-U", SUPERUSER, "--auth=scram-sha-256", f"--pwfile={answer}", "--locale=C", "-E", "UTF8", "-N"]
            takes = [f"--set={key}={value}" for key, value in {**SPARSE, **SINCE_16}.items()] if programs.major() >= 16 else []
            programs.run("initdb", "-D", str(place.data), *arguments, *takes)
        finally:
            answer.unlink()
        self.configure(place)

    def configure(self, place: Place) -> None:
        """Append the settings to postgresql.conf."""
        lines = [f"{key} = '{value}'" for key, value in {**built_in(), **self.settings}.items()]
        with (place.data / "postgresql.conf").open("a") as file:
            file.write("\n# delab\n" + "\n".join(lines) + "\n")

    def create_replica(self, place: Place) -> None:
        """Role and slot on the primary, base backup, standby: what a person would do by hand."""
        primary = place.peers[self.follows]
        with connect(Endpoint("127.0.0.1", primary, SUPERUSER, secrets.password(SUPERUSER), "postgres")) as session:
            prepare_primary(session, self.role, self.name if self.slot else "")
        arguments = ["-D", str(place.data), "-d", self.conninfo(place), "-R", "-c", "fast"]
        programs.run("pg_basebackup", *arguments, *(["-S", self.name] if self.slot else []))
        self.configure(place)

    def conninfo(self, place: Place) -> str:
        """How the replica reaches its primary; the password is in the pass file."""
        where = f"host=127.0.0.1 port={place.peers[self.follows]} user={self.role} application_name={self.name}"
        return f"{where} passfile={programs.passfile()}"

    def moved(self, place: Place, old: Mapping[int, int]) -> None:
        """Point the standby's connection at the ports of today, also one that the learner made."""
        path = place.data / "postgresql.auto.conf"
        with contextlib.suppress(FileNotFoundError):
            text = path.read_text()
            new = re.sub(r"(port=\D{0,3})(\d+)", lambda hit: f"{hit[1]}{old.get(int(hit[2]), int(hit[2]))}", text)
            new = re.sub(r"(passfile=\W*)[^\s'\"]+", lambda hit: f"{hit[1]}{programs.passfile()}", new)
            if new != text:
                path.write_text(new)

    def before_start(self, place: Place) -> None:
        """End children of a postmaster that was killed, and remove its stale lock file."""
        programs.passfile()
        if process.find(self.pid(place), place.data) is None:
            process.kill(process.all_inside(place.data))
            self.cleanup(place)

    def cleanup(self, place: Place) -> None:
        """Remove the lock file and the System V segment of a server that is no more."""
        lock = place.data / "postmaster.pid"
        with contextlib.suppress(OSError, IndexError, ValueError):
            if not place.contained:  # else the number may be somebody else's here; the container's own goes with it
                ctypes.CDLL(None).shmctl(int(lock.read_text().splitlines()[6].split()[1]), 0, None)  # 0: IPC_RMID
        lock.unlink(missing_ok=True)

    def command(self, place: Place) -> list[str]:
        """The port is an argument, so that a base backup of the data does not carry it."""
        return [str(programs.folder() / "postgres"), "-D", str(place.data), "-c", f"port={place.port}"]

    def environment(self, place: Place) -> dict[str, str]:
        """No variable of the person's own may reach the server."""
        return {"PGPASSFILE": str(programs.passfile()), "LC_ALL": "C"}

    def pid(self, place: Place) -> int | None:
        """The postmaster's, whoever started it (the learner may have, with pg_ctl)."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            return int((place.data / "postmaster.pid").read_text().split("\n")[0])
        return None

    def endpoint(self, place: Place) -> Endpoint:
        """As the superuser: the lab is the learner's own."""
        return Endpoint("127.0.0.1", place.port, SUPERUSER, secrets.password(SUPERUSER), "postgres")

    def ready(self, place: Place) -> bool:
        """A real query over TCP is answered."""
        return self.ask(place, "SELECT true")

    def joined(self, place: Place) -> bool:
        """A replica streams; a server of its own has nothing to join."""
        streams = "SELECT NOT pg_is_in_recovery() OR EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')"
        return self.ask(place, streams)

    def ask(self, place: Place, question: str) -> bool:
        """The answer to a yes-or-no question; no when it does not answer within two seconds."""
        with (
            contextlib.suppress(psycopg2.Error),
            connect(self.endpoint(place), seconds=2) as session,
            session.cursor() as cursor,
        ):
            cursor.execute(question)
            return bool(cursor.fetchone()[0])
        return False

    def settle(self, place: Place) -> None:
        """Write out what is in memory, so that a copy starts without recovery."""
        caught_up = "SELECT bool_and(replay_lsn >= pg_current_wal_lsn()) IS NOT FALSE FROM pg_stat_replication"
        if not self.follows:
            self.ask(place, "CHECKPOINT; SELECT true")
            wait.until(lambda: self.ask(place, caught_up), seconds=30, what="the replicas to catch up")

    def variables(self, place: Place) -> dict[str, str]:
        """Host, port, data folder, DSN and URL; the port of the link to the server that it follows."""
        at, prefix = self.endpoint(place), self.name.upper()
        found = {
            "HOST": at.host,
            "PORT": str(at.port),
            "USER": at.user,
            "PASSWORD": at.password,
            "DATA": str(place.data),
            "LOG": str(place.log),
            "DSN": dsn(at),
            "URL": f"postgresql+psycopg2://{at.user}:{at.password}@{at.host}:{at.port}/{at.database}",
        }
        if self.follows:
            found[f"{self.follows.upper()}_PORT"] = str(place.peers[self.follows])
        return {f"{prefix}_{key}": value for key, value in found.items()} | self.folder_variables(place)

    def tools(self) -> Path | None:
        """psql, pg_ctl, pg_basebackup, …, fit for the person that calls them."""
        return programs.tools()


def built_in() -> dict[str, str]:
    """The settings that this version knows."""
    return {**SETTINGS, **(SINCE_16 if programs.major() >= 16 else {})}


def dsn(at: Endpoint, **more: Any) -> str:
    """A libpq connection string."""
    fields = {"host": at.host, "port": at.port, "user": at.user, "password": at.password, "dbname": at.database, **more}
    return " ".join(f"{key}={value}" for key, value in fields.items())


def connection(at: Endpoint, seconds: int = 10) -> Any:
    """A psycopg2 connection in autocommit mode; `seconds` bounds connecting and each statement."""
    options = f"-c statement_timeout={seconds * 1000}"
    session = psycopg2.connect(dsn(at), connect_timeout=seconds, options=options, application_name="delab")
    session.autocommit = True
    return session


@contextlib.contextmanager
def connect(at: Endpoint, seconds: int = 10) -> Iterator[Any]:
    """A `connection` that is closed at the end."""
    with contextlib.closing(connection(at, seconds)) as session:
        yield session


def prepare_primary(session: Any, role: str, slot: str) -> None:
    """Make the replication role and the slot, where they are not there yet."""
    with session.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
        if not cursor.fetchone():
            cursor.execute(f'CREATE ROLE "{role}" LOGIN REPLICATION PASSWORD %s', (secrets.password(REPLICATOR),))
        cursor.execute("SELECT 1 FROM pg_replication_slots WHERE slot_name = %s", (slot,))
        if slot and not cursor.fetchone():
            cursor.execute("SELECT pg_create_physical_replication_slot(%s, true)", (slot,))
