"""What a verification sends: loads with a hot page, revisions, links to pages, documents; and the truth of each."""

import random
from collections import Counter, defaultdict
from fractions import Fraction
from typing import Any

from driver import words

from delab.data import Recipe, dataset

K, PARTS = 3, 2  # documents for each word; parts of the inputs
LOADS, PAGES = 40_000, 60
LARGE_LEFT = "joined_to_small with a large left side"  # 40,000 rows, and 30 on the right
MANY_KEYS, VISITORS = "mean_by_key with many keys", 6000  # whose states, too, are too many for the driver
SCALE, LINKS = 2.4, 2500  # 2,400 documents; of their links those few
KEYS = [None, "", "é", "e\u0301", "ß", "SS", "a", "None"]  # composed and decomposed letters are two keys

Rows = list[list[Any]]


def loads(seed: int) -> Rows:
    """A page and the nanoseconds that it took; half of all loads are of one page, and its are slow."""
    chance = random.Random(f"loads {seed}")
    hot = chance.randrange(PAGES)

    def one() -> list[Any]:
        page = hot if chance.random() < 0.5 else chance.randrange(PAGES)
        slow = 5_000_000 if page == hot else 0
        return [None if page == (hot + 1) % PAGES else f"/page/{page}", slow + chance.randrange(1_000_000_000)]

    made = [one() for _ in range(LOADS)]
    return sorted(made, key=lambda row: row[1] % 7)  # a task has other times than its neighbour


def groups(seed: int) -> list[list[list[int]]]:
    """Values in groups of other sizes; groups without a value; no group with one."""
    chance = random.Random(f"groups {seed}")

    def group(size: int, low: int) -> list[int]:
        return [chance.randrange(low, low + 1000) for _ in range(size)]

    return [
        [group(5, -500)],
        [group(2, 0), group(30, 5000)],
        [group(1, 5000), group(2, 0), group(30, 100)],
        [group(chance.randrange(1, 20), chance.randrange(10**9)) for _ in range(9)],
        [[], group(3, 7), [], group(4, -5000), []],
        [[], [], []],
        [[0], [0, 0]],
    ]


def revisions(seed: int) -> Rows:
    """A page, when it was changed, and by whom; some at the same time, most of one page, in no order."""
    chance = random.Random(f"revisions {seed}")
    made = [[chance.choice(["/hot", "/hot", *KEYS]), [chance.randrange(3000), f"user {n}"]] for n in range(4000)]
    return made + made[:20]  # a value may be there twice, and then is to be so


def odd(seed: int) -> Rows:
    """A few records with keys that are easily forgotten."""
    chance = random.Random(f"odd {seed}")
    return [[chance.choice(KEYS), [chance.randrange(20), chance.randrange(50)]] for _ in range(60)]


def texts(seed: int) -> tuple[Rows, Rows, Rows]:
    """Documents, some of them empty or delivered twice; links by the address that they lead to; addresses with their titles."""
    chance = random.Random(f"texts {seed}")
    recipe = Recipe(SCALE, seed % 2**62)
    rows = dataset("text").rows("documents", recipe).select(["document_id", "url", "title", "body"]).to_pylist()
    pairs = dataset("text").rows("links", recipe).select(["source_id", "target_id"]).to_pylist()
    urls = {row["document_id"]: row["url"] for row in rows}
    documents = [[row["document_id"], row["body"]] for row in rows]
    first = max(urls) + 1
    strange = ["", " \n", "… – 42 _ !", "cafe\u0301 Cafe\u0301 café", "word " * 50, "straße STRASSE Straße"]
    documents += [[first + n, text] for n, text in enumerate(strange)]
    documents += [list(row) for row in chance.sample(documents, 60)]
    chance.shuffle(documents)
    links = [[urls[pair["target_id"]], pair["source_id"]] for pair in chance.sample(pairs, LINKS)]
    links += [[None, n] for n in range(40)] + [[f"https://gone.example/{n % 15}", n] for n in range(60)]
    links += [["", 1], ["é", 2], ["e\u0301", 3], *links[:10]]
    pages = [[row["url"], row["title"]] for row in rows]
    pages += [[url, f"{title} (moved)"] for url, title in chance.sample(pages, 80)]
    pages += [[None, "nowhere"], ["é", "composed"], ["", "root"]]
    chance.shuffle(links)
    chance.shuffle(pages)
    return documents, links, pages


def asked(seed: int) -> dict[str, Any]:
    """All that the driver is asked."""
    documents, links, pages = texts(seed)
    few = odd(seed)
    data: dict[str, Rows] = {
        "loads": loads(seed),
        "revisions": revisions(seed),
        "documents": documents,
        "links": links,
        "pages": pages,
        "odd": few,
        "odd loads": [[key, number] for key, (number, _) in few],
        "odd names": [[key, f"name {number}"] for key, (number, _) in few[::5]],
        "odd documents": [row for row in documents if len(row[1]) < 260][:12],
        "names": [[f"/page/{page}", f"name {page}"] for page in range(0, PAGES, 2)],
        "visits": [[f"visitor {(seed + n * 7919) % VISITORS}", n * n % 911] for n in range(VISITORS * 3 // 2)],
        "nothing": [],
    }
    inputs = {
        "mean_by_key": (["loads"], ["odd loads"]),
        "in_order": (["revisions"], ["odd"]),
        "joined": (["links", "pages"], ["odd loads", "odd names"]),
        "joined_to_small": (["links", "pages"], ["odd loads", "odd names"]),
        "top_documents": (["documents"], ["odd documents"]),
    }
    cases = []
    for function, (main, small) in inputs.items():
        for suffix, names, n, k in (("", main, 4, K), (" n=1", small, 1, 1), (" empty", ["nothing"] * len(main), 3, K)):
            cases.append({"name": function + suffix, "function": function, "inputs": names, "n": n, "parts": PARTS, "k": k})
    about = {"name": LARGE_LEFT, "function": "joined_to_small", "inputs": ["loads", "names"]}
    cases.append({**cases[0], **about})
    cases.append({**cases[0], "name": MANY_KEYS, "function": "mean_by_key", "inputs": ["visits"]})
    return {"seed": seed, "states": groups(seed), "data": data, "cases": cases}


def means(rows: Rows) -> dict[str | None, Fraction]:
    """The exact mean of each key."""
    found: dict[str | None, list[int]] = defaultdict(list)
    for key, number in rows:
        found[key].append(number)
    return {key: Fraction(sum(numbers), len(numbers)) for key, numbers in found.items()}


def pairs(left: Rows, right: Rows) -> Rows:
    """The left outer join, in which no key equals None."""
    known: dict[str, list[Any]] = defaultdict(list)
    for key, value in right:
        if key is not None:
            known[key].append(value)
    return [[key, [value, found]] for key, value in left for found in known.get(key, [None])]


def best(documents: Rows, k: int, *, added: bool = False) -> dict[str, Rows]:
    """For each word the k documents that hold it most often, of equal ones the smaller number first.

    `added` is what a mistake gives: a document that is delivered twice counts twice.
    """
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    deliveries = Counter(number for number, _ in documents)
    for number, text in dict(map(tuple, documents)).items():
        for word, count in Counter(words(text)).items():
            found[word].append((-count * (deliveries[number] if added else 1), number))
    return {word: [[number, -count] for count, number in sorted(all_of_it)[:k]] for word, all_of_it in found.items()}
