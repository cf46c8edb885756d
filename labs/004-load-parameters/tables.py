"""The tables of a verification as Parquet files, and the truth about them: a hot page, clicks without one, or no skew at all."""

import random
from decimal import Decimal
from pathlib import Path
from typing import Any

CLICKS, PAGES, USERS, FILES = 40_000, 6_000, 400, 8
CASES = ("hot", "without a page", "even", "empty")
HOT = 0.7  # the share of the hot page, or of the clicks without one
USED = {"url", "user", "ms", "revenue", "page", "section"}
WIDE = {"click_id", "at", "agent", "referrer", "title", "body"}  # what the result needs nothing of
Row = dict[str, Any]


def pages(chance: random.Random) -> list[Row]:
    """Pages by their names, in no order; some have no section."""
    return [
        {
            "page": f"P{number:05d}",
            "section": None if chance.random() < 0.03 else f"section-{chance.randrange(20)}",
            "title": chance.randbytes(20).hex(),
            "body": chance.randbytes(150).hex(),
        }
        for number in chance.sample(range(PAGES), PAGES)
    ]


def urls(case: str, chance: random.Random) -> list[str | None]:
    """Where the clicks went: a page and what follows its question mark."""
    best = f"P{chance.randrange(PAGES):05d}"
    few = [f"P{chance.randrange(PAGES):05d}" for _ in range(60)]

    def page() -> str | None:
        drawn = chance.random()
        if drawn < HOT and case != "even":
            return best if case == "hot" else None
        if drawn > 0.98:
            return None
        return f"X{chance.randrange(9)}" if drawn > 0.96 else chance.choice(few)

    drawn = [page() for _ in range(0 if case == "empty" else CLICKS)]
    return [name and name + chance.choice(["", "?", f"?from=mail-{chance.randrange(99)}", "?q=a?b"]) for name in drawn]


def clicks(case: str, chance: random.Random) -> list[Row]:
    """Clicks; revenue has more digits than a float, is mostly missing, and on some pages always."""
    made = []
    for number, url in enumerate(urls(case, chance)):
        poor = url is not None and int(url.partition("?")[0][1:]) % 4 == 0
        earns = not poor and chance.random() < 0.4
        made.append(
            {
                "click_id": number,
                "at": f"2026-03-{chance.randrange(1, 29):02d}T{chance.randrange(24):02d}:00:00",
                "url": url,
                "user": None if chance.random() < 0.05 else f"U{chance.randrange(USERS):04d}",
                "ms": None if chance.random() < 0.1 else chance.randrange(1, 600_000),
                "revenue": Decimal(chance.randrange(10**16, 10**17)).scaleb(-4) if earns else None,
                "agent": chance.randbytes(30).hex(),
                "referrer": chance.randbytes(30).hex(),
            }
        )
    return made


def both(case: str, seed: int) -> tuple[list[Row], list[Row]]:
    """Clicks and pages of a case."""
    chance = random.Random(f"{case} {seed}")
    known = pages(chance)
    return clicks(case, chance), known


def save(case: str, seed: int, folder: Path) -> None:
    """Write the tables as Parquet: the clicks in eight files."""
    import pyarrow as arrow
    from pyarrow import parquet

    texts = {name: arrow.string() for name in ("at", "url", "user", "agent", "referrer")}
    kinds = {"click_id": arrow.int64(), **texts, "ms": arrow.int32(), "revenue": arrow.decimal128(18, 4)}
    of_pages = {name: arrow.string() for name in ("page", "section", "title", "body")}
    rows, known = both(case, seed)
    for name, part, types in [(f"clicks/{n}", rows[n::FILES], kinds) for n in range(FILES)] + [("pages/0", known, of_pages)]:
        path = folder / case / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(arrow.Table.from_pylist(part, schema=arrow.schema(list(types.items()))), path)


def truth(case: str, seed: int) -> dict[str | None, Row]:
    """What transform must give, by page."""
    rows, known = both(case, seed)
    sections = {page["page"]: page["section"] for page in known}
    groups: dict[str | None, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["url"] and row["url"].partition("?")[0], []).append(row)
    return {
        page: {
            "section": sections.get(page or ""),
            "clicks": len(group),
            "users": len({row["user"] for row in group} - {None}),
            "revenue": total([row["revenue"] for row in group if row["revenue"] is not None]),
            "longest": max((row["ms"] for row in group if row["ms"] is not None), default=None),
        }
        for page, group in groups.items()
    }


def total(values: list[Decimal]) -> Decimal | None:
    """Their sum; of nothing None, as in SQL."""
    return sum(values, Decimal(0)) if values else None
