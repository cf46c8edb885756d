"""What the flaky service does in each check of deliver(), made from the verification's seed."""

import errno
import json
import random
import string
from collections.abc import Sequence

from faults.flaky_service import Fault, Scenario

TRANSIENT_STATUS = {
    408: "Request Timeout",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
POISON_STATUS = {400: "Bad Request", 413: "Content Too Large", 422: "Unprocessable Content"}
PERMANENT_STATUS = {401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 409: "Conflict", 501: "Not Implemented"}
BROKEN_LINES = ('{{"id": "{0}", "amou', "id={0};amount=3", '["{0}", 3]', '"{0}"', "null", '{{"amount": 3, "note": "{0}"}}')


class Maker:
    """Makes records and faults that no solution can know beforehand."""

    def __init__(self, seed: str) -> None:
        self.dice = random.Random(seed)

    def word(self) -> str:
        """A word that stands for itself alone."""
        return "".join(self.dice.choices(string.ascii_lowercase, k=8))

    def records(self, count: int) -> dict[str, str]:
        """Lines of JSON by the id of their record."""
        ids = [f"r{place}-{self.word()}" for place in range(1, count + 1)]
        return {name: json.dumps({"id": name, "store": self.word(), "amount": self.dice.randint(1, 9999)}) for name in ids}

    def http(self, kind: str, statuses: dict[int, str]) -> list[Fault]:
        """A fault for each status."""
        return [Fault(kind, "HTTPError", f"{says}: {self.word()}", code) for code, says in statuses.items()]

    def transient(self) -> list[Fault]:
        """One of every transient kind, in any order."""
        network = {
            "ConnectionResetError": (errno.ECONNRESET, "Connection reset by peer"),
            "ConnectionRefusedError": (errno.ECONNREFUSED, "Connection refused"),
            "ConnectionAbortedError": (errno.ECONNABORTED, "Software caused connection abort"),
            "RemoteDisconnected": (0, "Remote end closed connection without response"),
            "ConnectionError": (0, "connection pool is exhausted"),
            "BrokenPipeError": (errno.EPIPE, "Broken pipe"),
            "TimeoutError": (0, "timed out"),
        }
        found = self.http("transient", TRANSIENT_STATUS)
        for name, (code, says) in network.items():
            found.append(Fault("transient", name, f"{says} ({self.word()})", code))
            found.append(Fault("transient", "URLError", f"{says} ({self.word()})", code, name))
        self.dice.shuffle(found)
        return found

    def poison(self) -> list[Fault]:
        """One of every kind that speaks of one record."""
        return self.http("poison", POISON_STATUS)

    def permanent(self) -> list[Fault]:
        """One of every kind that no record will get past."""
        certificate = ("URLError", f"certificate verify failed ({self.word()})", 1, "SSLCertVerificationError")
        name = ("URLError", f"Name or service not known ({self.word()})", -2, "gaierror")
        scheme = ("URLError", f"unknown url type: {self.word()}")
        disk = [(errno.ENOSPC, "No space left on device"), (errno.EIO, "Input/output error")]
        hardware = [Fault("permanent", "OSError", f"{says} ({self.word()})", code) for code, says in disk]
        behind = [Fault("permanent", *about) for about in (certificate, name, scheme)]
        return [*self.http("permanent", PERMANENT_STATUS), *behind, *hardware]

    def unknown(self) -> list[Fault]:
        """Errors that nobody has thought of: mostly our own mistakes."""
        return [
            Fault("permanent", name, self.word()) for name in ("KeyError", "ValueError", "TypeError", "RuntimeError", "MemoryError")
        ]

    def broken_lines(self) -> list[str]:
        """Lines that are no records."""
        return [line.format(self.word()) for line in BROKEN_LINES]

    def policy(self, **given: float) -> dict[str, float]:
        """The numbers that deliver() is called with."""
        usual = {"attempts": self.dice.randint(4, 6), "base": self.dice.choice((0.05, 0.1, 0.2)), "cap": 5.0, "budget": 10_000}
        return {**usual, **given}

    def interruption(self) -> Scenario:
        """A short interruption: every record gets through after one to three failures, and the budget is just enough."""
        records, faults = self.records(24), self.transient()
        script = {name: [self.dice.choice(faults) for _ in range(self.dice.randint(1, 3))] for name in list(records)[: len(faults)]}
        for fault, found in zip(faults, script.values(), strict=True):
            found[0] = fault
        return Scenario([*records.values()], script, self.policy(budget=sum(map(len, script.values()))))

    def outage(self) -> Scenario:
        """Some records never get through."""
        records = self.records(12)
        script = {name: self.dice.choices(self.transient(), k=50) for name in self.dice.sample(list(records), 3)}
        return Scenario([*records.values()], script, self.policy(attempts=self.dice.randint(3, 8)))

    def bad_data(self) -> Scenario:
        """Records that the service refuses, and lines that are none."""
        records, faults = self.records(14), self.poison()
        script = {name: [fault] * 50 for name, fault in zip(self.dice.sample(list(records), len(faults)), faults, strict=True)}
        lines = [*records.values()]
        for line in self.broken_lines():
            lines.insert(self.dice.randrange(len(lines)), line)
        return Scenario(lines, script, self.policy())

    def stopping(self, faults: Sequence[Fault]) -> list[Scenario]:
        """For each fault a run whose fourth record meets it, now and for ever."""
        return [self.meets(fault) for fault in faults]

    def meets(self, fault: Fault) -> Scenario:
        """One of them."""
        records = self.records(8)
        return Scenario([*records.values()], {list(records)[3]: [fault] * 50}, self.policy())

    def store_fails(self) -> list[Scenario]:
        """The place for dead letters fails: for a line that is no record, one that is refused, one that never gets through."""
        full = Fault("permanent", "OSError", f"No space left on device ({self.word()})", errno.ENOSPC)
        away = Fault("transient", "TimeoutError", f"dead letters: timed out ({self.word()})")
        lines = [*self.records(6).values()]
        lines[2] = self.broken_lines()[0]
        met = [self.meets(fault) for fault in (self.poison()[0], self.transient()[0])]
        for scenario in met:
            scenario.store_fails = away
        return [Scenario(lines, {}, self.policy(), store_fails=full), *met]

    def interrupted(self) -> list[Scenario]:
        """Ctrl-C and sys.exit, in send and in sleep."""
        stops = [Fault("interrupt", "KeyboardInterrupt", ""), Fault("interrupt", "SystemExit", self.word())]
        asleep = self.meets(self.transient()[0])
        asleep.sleep_fails = stops[0]
        return [*self.stopping(stops), asleep]

    def delays(self, count: int) -> Scenario:
        """Every record fails often enough to reach the cap."""
        records, base = self.records(count), self.dice.uniform(0.05, 0.4)
        faults = self.transient()
        script = {name: self.dice.choices(faults, k=6) for name in records}
        return Scenario([*records.values()], script, self.policy(attempts=7, base=base, cap=base * self.dice.uniform(9, 15)))

    def dead_service(self, *, whole: bool = False) -> Scenario:
        """Nothing gets through any more. A `whole` budget ends with the last attempt of a record."""
        records, faults, attempts = self.records(30), self.transient(), self.dice.randint(4, 6)
        budget = 2 * (attempts - 1) + (0 if whole else self.dice.randint(1, attempts - 2))
        return Scenario(
            [*records.values()],
            {name: self.dice.choices(faults, k=50) for name in list(records)[2:]},
            self.policy(attempts=attempts, budget=budget),
        )

    def everything(self) -> Scenario:
        """One of each kind of failure, and a permanent one at the end."""
        records = self.records(12)
        names = list(records)
        script = {
            names[1]: self.transient()[:2],
            names[3]: [self.poison()[0]],
            names[5]: self.dice.choices(self.transient(), k=50),
            names[7]: [self.transient()[0], self.poison()[2]],
            names[10]: [self.transient()[0], self.permanent()[0]],
        }
        lines = [*records.values()]
        lines.insert(4, self.broken_lines()[0])
        lines.insert(7, self.broken_lines()[5])
        return Scenario(lines, script, self.policy(attempts=4))
