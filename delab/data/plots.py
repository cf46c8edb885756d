"""How the values of a table are distributed: one small plot a column, all of a table in one SVG."""

import io
import re
import warnings
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from delab.data.arrow import Array, pa, pc
from delab.data.model import Column, Table

ACROSS, INCHES = 3, (3.75, 2.1)  # plots in a row; size of one
MOST = 11  # bars
SHORT = 100  # days: a shorter time is labelled by day and hour, not by year
CATEGORIES = 40  # a text column of more different values is not plotted
BLUE, GREY = "#2b6cb0", "#718096"
WASTE = (
    r"<metadata>.*?</metadata>",
    r"<style.*?</style>",
    r"<clipPath.*?</clipPath>",
    r' clip-path="[^"]*"',
    r"(?<=<g) id=\"[^\"]*\"",
    r"font-family: [^;\"]*; ",
    r' transform="rotate\(-0 [^)]*\)"',
)
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "delab",
    "font.family": "sans-serif",
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
}


def worth_plotting(table: Table, column: Column, values: Array) -> bool:
    """Whether a column has a distribution to look at: not a key, not a reference, not free text."""
    if column.name in (*table.key, table.identity) or column.references or column.name.endswith("_id"):
        return False
    return column.type != "string" or 1 < pc.count_distinct(values).as_py() <= CATEGORIES


def bars(axes: Any, values: Array) -> None:
    """The most frequent values of a text column."""
    counts = sorted(
        (
            (entry["counts"], "(null)" if entry["values"] is None else str(entry["values"]))
            for entry in pc.value_counts(values).to_pylist()
        ),
        reverse=True,
    )[:MOST]
    names = [name if len(name) <= 18 else f"{name[:6]}…{name[-11:]}" for _, name in reversed(counts)]
    axes.barh(range(len(names)), [count for count, _ in reversed(counts)], color=BLUE)
    axes.set_yticks(range(len(names)), names)  # two names may be cut to the same
    axes.xaxis.get_major_locator().set_params(nbins=5)


def histogram(axes: Any, values: Array) -> None:
    """Numbers; on a logarithmic axis if they are positive and span more than two decades."""
    numbers = np.asarray(values.drop_null().cast(pa.float64()))
    distinct = np.unique(numbers)
    if len(distinct) <= MOST:
        axes.bar([f"{value:g}" for value in distinct], [int((numbers == value).sum()) for value in distinct], color=BLUE)
        return
    wide = numbers.min() > 0 and numbers.max() / numbers.min() > 100
    edges = np.geomspace(numbers.min(), numbers.max(), 31) if wide else np.linspace(numbers.min(), numbers.max(), 31)
    axes.hist(numbers, edges, color=BLUE)
    if wide:
        axes.set_xscale("log")


def over_time(axes: Any, values: Array) -> None:
    """How many fall into each of up to 60 equal stretches of time."""
    days = values.drop_null().cast(pa.timestamp("us")).cast(pa.int64()).to_numpy(zero_copy_only=False) / 86_400e6
    counts, edges = np.histogram(days, min(60, max(6, len(days) // 5)))
    middles = (edges[1:] + edges[:-1]) / 2
    short = edges[-1] - edges[0] < SHORT
    axes.fill_between(middles if short else 1970 + middles / 365.2425, counts, color=BLUE, alpha=0.85, linewidth=0)
    axes.set_ylim(0)
    if short:
        dated(axes.xaxis)
    else:
        axes.xaxis.get_major_locator().set_params(integer=True, nbins=5)


def dated(axis: Any) -> None:
    """Label days since 1970 with the day and hour, as short as it can be said."""
    from matplotlib import dates

    make: Any = dates  # its functions have no types
    locator = make.AutoDateLocator(maxticks=6)
    axis.set_major_locator(locator)
    axis.set_major_formatter(make.ConciseDateFormatter(locator))


def kind(column: Column) -> Callable[[Any, Array], None]:
    """The plot for a column's type."""
    if column.type in ("timestamp", "date"):
        return over_time
    return bars if column.type in ("string", "bool") else histogram


def plots(table: Table, rows: Any) -> str:
    """All distributions of a table as one SVG element; empty if it has none."""
    chosen = [column for column in table.columns if worth_plotting(table, column, rows[column.name])]
    if not chosen:
        return ""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    lines = -(-len(chosen) // ACROSS)
    with rc_context(cast(Any, STYLE)), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the page's fonts draw the text, not matplotlib's
        figure = Figure((INCHES[0] * ACROSS, INCHES[1] * lines), layout="constrained")
        for place, column in enumerate(chosen, 1):
            axes = figure.add_subplot(lines, ACROSS, place)
            kind(column)(axes, rows[column.name].combine_chunks())
            axes.set_title(f"{column.name}{f' ({column.unit})' if column.unit else ''}")
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    return element(text.getvalue(), table.name)


def element(svg: str, prefix: str) -> str:
    """The bare SVG element without what the page does not need, its ids made the table's own."""
    svg = svg[svg.index("<svg") :]
    for waste in WASTE:
        svg = re.sub(waste, "", svg, flags=re.S)
    svg = re.sub(r"(\d+\.\d)\d+", r"\1", svg)
    svg = re.sub(r"\s*\n\s*(?=[MLCz\"])", "", svg)
    svg = re.sub(r'(id="|href="#)', rf"\1{prefix}-", svg)
    return re.sub(r">\s+<", "><", svg).strip()
