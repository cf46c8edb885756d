"""`lab look N`: topics, lag, windows and watermark of a lab as they move; a picture of each plot at the end."""

import os
import queue
import threading
from contextlib import suppress
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from delab import commands, frames, lab, pictures, report, verify_command, watching
from delab.checks.failing import CheckFailed
from delab.checks.result import Plot
from delab.errors import LabError
from delab.frames import History
from delab.sampling import Sampler

INTERVAL = 1.0  # seconds between two looks
PLOTS = 2  # that a terminal has room for


def look(console: Console, subject: lab.Lab) -> None:
    """Show it until q, Ctrl-C, or the end of input; then save the plots."""
    if not has_kafka(subject):
        raise LabError(f"lab {subject.number} has no Kafka: there is nothing that moves", "`lab status` shows what runs")
    wishes: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=watching.hear_keys, args=(wishes,), daemon=True).start()
    history = History()
    with Sampler(commands.stack_of(subject)) as sampler:
        try:
            follow(console, sampler, history, wishes)
        except KeyboardInterrupt:
            console.print("stopped")
        finally:
            tell(console, save(plots(sampler, history), verify_command.results(subject.slug)))


def has_kafka(subject: lab.Lab) -> bool:
    """Whether one of its services is a broker."""
    return any(entry.get("kind", name) == "kafka" for name, entry in subject.about.services.items())


def follow(console: Console, sampler: Sampler, history: History, wishes: "queue.SimpleQueue[str]") -> None:
    """Look once a second, at once when Enter is pressed, until q."""
    with Live(console=console, auto_refresh=False, transient=False) as live:
        wish = ""
        while wish != "quit":
            with suppress(CheckFailed):  # a topic that is deleted while we ask: the next look knows
                history.add(sampler.sample())
            live.update(frame(console, history, plots(sampler, history)), refresh=True)
            wish = next_wish(wishes)


def next_wish(wishes: "queue.SimpleQueue[str]") -> str:
    """What the person wants, or nothing after a second."""
    try:
        return wishes.get(timeout=INTERVAL)
    except queue.Empty:
        return ""


def plots(sampler: Sampler, history: History) -> list[Plot]:
    """The windows of each topic that has any, then the lag."""
    watermark = frames.slowest(history.samples[-1]) if history.samples else None
    found = [frames.window_plot(topic, windows, watermark) for topic, windows in sorted(sampler.windows.items())]
    return [plot for plot in (*found, history.lag_plot()) if plot is not None]


def frame(console: Console, history: History, drawn: list[Plot]) -> Group:
    """All that is on the screen: numbers, as many plots as fit, how to end."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("what", "", "now"):
        table.add_column(column, overflow="fold")
    for row in frames.rows(history):
        table.add_row(*(Text(cell) for cell in row))
    shown = drawn[: room(console.height, table.row_count)]
    rest = len(drawn) - len(shown)
    more = f"; {rest} more plots are in the pictures" if rest else ""
    return Group(table, *(report.draw(plot, console) for plot in shown), Text(f"q and Enter ends, and saves pictures{more}"))


def room(height: int, rows: int) -> int:
    """How many plots fit below a table, one at least, in a terminal of so many lines."""
    return max(1, min(PLOTS, (height - rows - 3) // report.PLOT_ROWS))


def save(drawn: list[Plot], folder: Path) -> list[Path]:
    """A picture of each plot that has points; an older look's are replaced."""
    return [pictures.draw(plot, folder / f"look-{name(plot.title)}.png") for plot in drawn if any(plot.series.values())]


def name(title: str) -> str:
    """A plot's title as part of a file's name."""
    return "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in title.lower())


def tell(console: Console, saved: list[Path]) -> None:
    """Say where the pictures are."""
    for path in saved:
        console.print(f"a picture of it: {os.path.relpath(path)}", soft_wrap=True)
