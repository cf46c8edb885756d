"""Visits and visitors as arrays of integers. All follows from a visit's number: minute since START * SLOTS + its place in it.

Minutes are cut into rounds of 128. Visitors come in even or in odd rounds only, and at most once in a round: two visits of one are
at least 128 minutes apart from begin to begin, while no visit lasts longer than 72. So with any gap from 29 to 55 minutes between
sessions, each visit is one.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from delab.data.clickstream import clock, site
from delab.data.clickstream.clock import MINUTE, MS, SECOND, START, Bursts
from delab.data.model import Recipe
from delab.data.rng import Bools, Draws, Ints, Weights

SLOTS, CLICKS = 128, 64  # most visits a minute and clicks a visit: what numbers are made with
ROUND = 128  # minutes
LANES = 4096  # visitors of a cohort and parity; a round never has so many visits: 3,000 ± 55 at the very most
COHORT_ROUNDS = 96  # a new cohort every 8.5 days
CHUNK = 1024  # minutes: what is kept of the past
LENGTHS = Weights.of((18, 9, 9, 8, 8, 7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 3, 3, 2, 2, 2, 2, 2, 2, 3))  # 1 to 24 clicks
DEPTHS = Weights.of((66, 16, 7, 11))  # how far down the funnel: looks, cart, checkout, buys
LONG_PAUSE, SHORTEST_PAUSE = 27, 5  # minutes
DWELL = 113 * SECOND  # less than this from one click to the next, but for one long pause
BOT, DECLARED, PAUSES, OFFLINE, WRONG_CLOCK = 0.01, 0.6, 0.125, 0.012, 0.02
OFFSETS = np.array((-7200, -3600, -1800, -600, -300, -120, 20, 45), np.int64) * SECOND
FIRST_OCTAVE, OCTAVES = 4, 11  # an offline visit is sent 2^4 to 2^15 minutes later: 16 minutes to 22 days
LATEST = 1 << (FIRST_OCTAVE + OCTAVES)  # minutes
VERSION_2, VERSION_3 = START + 40 * MINUTE, START + 240 * MINUTE  # when the new tracking code begins to spread


@dataclass(frozen=True)
class Visits:
    """Some visits, one entry each, ascending; a column is computed when it is first asked for."""

    world: "World"
    number: Ints
    place: Ints  # how many visits began in the round before it

    def draws(self, column: str) -> Draws:
        """A random column of visits."""
        return self.world.draws("visits", column)

    def some(self, chosen: Bools) -> "Visits":
        """Those that are chosen."""
        return Visits(self.world, self.number[chosen], self.place[chosen])

    @cached_property
    def minute(self) -> Ints:
        """The minute since START in which each begins."""
        return self.number // SLOTS

    @cached_property
    def begins(self) -> Ints:
        """When, in µs, by a right clock."""
        at: Ints = START + self.minute * MINUTE + self.draws("begins").below(self.number, MINUTE // MS) * MS
        return at

    @cached_property
    def visitor(self) -> Ints:
        """Visitor number k: another one for every visit of a round, and of the round's parity."""
        round_ = self.minute // ROUND
        first, last = (int(round_[0]), int(round_[-1])) if len(round_) else (0, 0)
        bits = self.draws("lanes").bits(np.arange(first, last + 1, dtype=np.int64)).view(np.int64) >> 32
        mix = bits[round_ - first]
        lane = (self.place * (mix | 1) + (mix >> 13)) & (LANES - 1)  # an odd factor permutes
        cohort = self.draws("cohort").below(self.number, 1 + round_ // COHORT_ROUNDS)
        k: Ints = (cohort * LANES + lane) * 2 + (round_ & 1)
        return k

    @cached_property
    def bot(self) -> Bools:
        """Whether a machine is at work."""
        return self.world.is_bot(self.visitor)

    @cached_property
    def clicks(self) -> Ints:
        """How many clicks: 1 to 24, of bots 40 to 63."""
        human = 1 + self.draws("clicks").pick(self.number, LENGTHS)
        return np.where(self.bot, 40 + self.draws("crawl").below(self.number, 24), human)

    @cached_property
    def depth(self) -> Ints:
        """How far down the funnel it goes: 0 to 3, with at least one click before."""
        depth = np.minimum(self.draws("depth").pick(self.number, DEPTHS), self.clicks - 1)
        return np.where(self.bot, 0, depth)

    @cached_property
    def pauses(self) -> Bools:
        """Whether there is one long pause."""
        return ~self.bot & (self.clicks > 1) & self.draws("pauses").chance(self.number, PAUSES)

    @cached_property
    def pause(self) -> tuple[Ints, Ints]:
        """Before which click the pause is (0: none), and how long, in µs."""
        where = 1 + self.draws("pause at").below(self.number, np.maximum(self.clicks - 1, 1))
        span = (LONG_PAUSE - SHORTEST_PAUSE) * MINUTE // MS
        long = SHORTEST_PAUSE * MINUTE + self.draws("pause").below(self.number, span) * MS
        return where * self.pauses, long * self.pauses

    @cached_property
    def offline(self) -> Bools:
        """Whether the device had no network: its clicks are sent all at once, much later."""
        return self.draws("offline").chance(self.number, OFFLINE)

    @cached_property
    def lag(self) -> Ints:
        """How long after its last click an offline visit is sent, in µs; each octave is as likely as the next."""
        octave = MINUTE * (1 << FIRST_OCTAVE << self.draws("octave").below(self.number, OCTAVES))
        return octave + self.draws("lag").below(self.number, octave // MS) * MS

    @cached_property
    def schema(self) -> Ints:
        """The version of the tracking code: 1 to 3; each new one takes a while to reach every device."""
        share = self.world.draws("visitors", "rollout").below(self.visitor, 1 << 16)
        second = self.begins >= VERSION_2 + share * (20 * MINUTE >> 16)
        third = self.begins >= VERSION_3 + share * (180 * MINUTE >> 16)
        return 1 + second.astype(np.int64) + third


@dataclass(frozen=True)
class Chunk:
    """What is kept of CHUNK minutes."""

    counts: Ints  # visits by minute
    before: Ints  # visits of the same round before each minute
    offline: Visits
    sent: Ints  # when each offline visit is sent, in µs


@dataclass(frozen=True)
class World:
    """All that one seed and scale decide; the scale only decides where the stream ends."""

    version: int
    recipe: Recipe

    @property
    def minutes(self) -> int:
        """How long the stream is."""
        return max(1, int(60 * self.recipe.scale))

    @property
    def end(self) -> int:
        """When it ends, in µs: what has not arrived by then is not delivered."""
        return START + self.minutes * MINUTE

    @property
    def visitors(self) -> int:
        """How many visitors are known."""
        return 2 * LANES * (1 + (self.minutes - 1) // ROUND // COHORT_ROUNDS)

    def draws(self, table: str, column: str) -> Draws:
        """A random column."""
        return column_of(self.version, self.recipe.seed, table, column)

    @property
    def bursts(self) -> Bursts:
        """The bursts."""
        return Bursts(self.version, self.recipe.seed)

    def is_bot(self, k: Ints) -> Bools:
        """Which visitors are machines."""
        return self.draws("visitors", "bot").chance(k, BOT)

    def is_declared(self, k: Ints) -> Bools:
        """Which bots say what they are."""
        return self.draws("visitors", "declared").chance(k, DECLARED)

    def country(self, k: Ints) -> Ints:
        """Where visitors live: a position in site.COUNTRIES."""
        return self.draws("visitors", "country").pick(k, site.COUNTRY_WEIGHTS)

    def browser(self, k: Ints) -> Ints:
        """Their browser, or what a bot pretends to be: a position in site.AGENTS."""
        return self.draws("visitors", "agent").pick(k, site.AGENT_WEIGHTS)

    def agent(self, k: Ints) -> Ints:
        """The user agent that they send: a position in site.AGENTS."""
        return np.where(self.is_bot(k) & self.is_declared(k), site.BROWSERS + k // 2 % 2, self.browser(k))

    def clock_offset(self, k: Ints) -> Ints:
        """By how many µs the clocks of visitors' devices are ahead; 0 for most."""
        offset = OFFSETS[self.draws("visitors", "offset").below(k, len(OFFSETS))]
        return np.where(self.draws("visitors", "wrong clock").chance(k, WRONG_CLOCK), offset, 0)

    def chunk(self, number: int) -> Chunk:
        """What is kept of CHUNK minutes; the same at every scale."""
        return chunk(self.version, self.recipe.seed, number)

    def visits(self, start: int, stop: int) -> Visits:
        """All visits that begin in minutes [start, stop) since START."""
        start = max(start, 0)
        numbers = range(start // CHUNK, -(-stop // CHUNK))
        if stop <= start:
            return Visits(self, np.empty(0, np.int64), np.empty(0, np.int64))
        part = slice(start - numbers[0] * CHUNK, stop - numbers[0] * CHUNK)
        counts = np.concatenate([self.chunk(number).counts for number in numbers])[part]
        before = np.concatenate([self.chunk(number).before for number in numbers])[part]
        return spread(self, np.arange(start, stop, dtype=np.int64), counts, before)

    def offline(self, since: int, until: int) -> Visits:
        """The offline visits that are sent at times [since, until), in µs."""
        first = max(0, (since - START) // MINUTE - LATEST - 2 * ROUND) // CHUNK
        chunks = [self.chunk(number) for number in range(first, (until - START) // MINUTE // CHUNK + 1)]
        sent = np.concatenate([part.sent for part in chunks])
        number, place = (np.concatenate([getattr(part.offline, name) for part in chunks]) for name in ("number", "place"))
        return Visits(self, number, place).some((sent >= since) & (sent < until))


def spread(world: World, minute: Ints, counts: Ints, before: Ints) -> Visits:
    """The visits of these minutes from their counts."""
    inside = np.arange(counts.sum(), dtype=np.int64) - np.repeat(np.cumsum(counts) - counts, counts)
    return Visits(world, np.repeat(minute * SLOTS, counts) + inside, np.repeat(before, counts) + inside)


@lru_cache(maxsize=256)
def column_of(version: int, seed: int, table: str, column: str) -> Draws:
    """A random column of the set."""
    return Draws.of("clickstream", version, seed, table, column)


@lru_cache(maxsize=128)
def chunk(version: int, seed: int, number: int) -> Chunk:
    """One chunk of a seed."""
    from delab.data.clickstream.clicks import last_click

    world = World(version, Recipe(1.0, seed))
    minute = np.arange(number * CHUNK, (number + 1) * CHUNK, dtype=np.int64)
    counts = clock.visits(minute, world.draws("visits", "count"), world.bursts)
    rounds = counts.reshape(-1, ROUND)
    before = (np.cumsum(rounds, axis=1) - rounds).ravel()
    visits = spread(world, minute, counts, before)
    offline = visits.some(visits.offline)
    return Chunk(counts, before, offline, last_click(offline) + offline.lag)
