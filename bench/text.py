"""How fast the text set is made: `python bench/text.py [--large]`. Exits 1 if a bound is broken.

Rates are of one core, into Parquet, as in `bench/data.py`. `--large` also writes 1,000,000 documents and tells the memory it took.
"""

import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path

from data import core_seconds, parquet_rate
from table import Row, report

from delab.data import Recipe, answer_key, dataset
from delab.data.files import Folder

LINKS_A_SECOND, DOCUMENTS_A_SECOND, WORDS_A_SECOND, LARGE_MB, PAGERANK_SECONDS = 1_000_000, 50_000, 5_000_000, 600, 5
SCALE = 60.0


def main() -> int:
    """Print the table; 1 if a bound is broken."""
    text = dataset("text")
    documents = parquet_rate(text, "documents", Recipe(SCALE))
    totals = {tuple(row.values())[:2]: row["total"] for row in answer_key("text", "clean_totals", scale=SCALE).to_pylist()}
    words = documents * totals["documents", "words"] / totals["documents", "rows"]
    rows = [
        Row("links into Parquet, rows/s a core", parquet_rate(text, "links", Recipe(10 * SCALE)), LINKS_A_SECOND, least=True),
        Row("documents into Parquet, documents/s a core", documents, DOCUMENTS_A_SECOND, least=True),
        Row("documents into Parquet, words/s a core", words, WORDS_A_SECOND, least=True),
        Row("PageRank of 100,000 documents, s", core_seconds(lambda: answer_key("text", "pagerank", scale=100)), PAGERANK_SECONDS),
    ]
    if "--large" in sys.argv:
        rows.append(large_row())
    return report("Text", rows)


def large_row() -> Row:
    """1,000,000 documents and their links into Parquet, in a process of its own."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as place, context.Pool(1) as pool:
        rows, seconds, megabytes = pool.apply(large, (place,))
    return Row(f"{rows:,} documents and links ({seconds:.0f} s), peak memory, MB", megabytes, LARGE_MB)


def large(place: str) -> tuple[int, float, float]:
    """Rows, seconds and the peak of resident memory in MB of this process."""
    started = time.monotonic()
    rows = sum(Folder(dataset("text"), Recipe(1000), "parquet", Path(place, "out")).make(["documents", "links"]).values())
    unit = 1 if sys.platform == "darwin" else 1024
    return rows, time.monotonic() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


if __name__ == "__main__":
    sys.exit(main())
