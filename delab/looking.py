"""What `lab watch N` shows while it waits, if the lab has Kafka: topics, readers, windows and watermark as they move.

At the end a picture of each plot is saved beside the lab's results.
"""

import os
from contextlib import suppress
from pathlib import Path

import msgspec
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from delab import commands, frames, lab, packs, pictures, report, verify_command
from delab.checks.failing import CheckFailed
from delab.checks.result import Plot
from delab.frames import History
from delab.sampling import Sampler
from delab.watching import Wishes, next_wish

INTERVAL = 1.0  # seconds between two looks
ACROSS = 76  # columns from which on two plots stand side by side
LEAST, MOST = 10, 16  # lines of a plot
NUMBERS = ("messages", "new/s", "not read")
WHOLE = (*NUMBERS, "watermark (UTC)")  # columns that are never cut
NOBODY = "no group, checkpoint or Flink job yet: start your program in another terminal"
HELP = "a saved file or Enter: verify; q and Enter: end"


class Look:
    """Looks at a stack through a sampler. Use it as a context manager: leaving saves the pictures into `folder`."""

    def __init__(self, console: Console, sampler: Sampler, folder: Path) -> None:
        self.console, self.sampler, self.folder, self.history = console, sampler, folder, History()

    def __enter__(self) -> "Look":
        self.sampler.__enter__()
        return self

    def __exit__(self, *told: object) -> None:
        self.sampler.__exit__(*told)
        for path in save(self.plots(), self.folder):
            self.console.print(f"a picture of it: {os.path.relpath(path)}", soft_wrap=True)

    def until_wish(self, wishes: Wishes) -> str:
        """Look once a second until there is a wish; the last frame stays on the terminal."""
        wish = ""
        with Live(console=self.console, screen=self.console.is_terminal, auto_refresh=False, transient=True) as live:
            while not wish:
                with suppress(CheckFailed):  # a topic that is deleted while we ask: the next look knows
                    self.history.add(self.sampler.sample())
                live.update(self.frame(), refresh=self.console.is_terminal)
                wish = next_wish(wishes, INTERVAL)
        self.console.print(self.frame())
        return wish

    def plots(self) -> list[Plot]:
        """A topic's windows, the lag, the windows of further topics."""
        watermark = frames.slowest(self.history.samples[-1]) if self.history.samples else None
        drawn = [frames.window_plot(topic, windows, watermark) for topic, windows in sorted(self.sampler.windows.items())]
        windows = [plot for plot in drawn if plot]
        lag = self.history.lag_plot()
        return [*windows[:1], *([lag] if lag else []), *windows[1:]]

    def frame(self) -> Group:
        """All that is on the screen: numbers, as many plots as fit, how to go on."""
        topics = table(("topic", "messages", "new/s"), frames.topic_rows(self.history))
        readers = table(("reader", "of", "not read", "watermark (UTC)"), frames.reader_rows(self.history))
        tables = [one for one in (topics, readers) if one.row_count]
        last = [Text(line, style="bright_black", no_wrap=True) for line in (*([] if readers.row_count else [NOBODY]), HELP)]
        used = sum(one.row_count + 1 for one in tables) + len(last) + 1
        return Group(
            *tables,
            *grid(self.console, self.plots(), self.console.height - used),
            *last,
        )


def at(console: Console, subject: lab.Lab) -> Look:
    """A look at a lab's own lasting stack, which is started if need be."""
    packs.ensure(subject.packs())
    return Look(console, Sampler(commands.stack_of(subject)), verify_command.results(subject.slug))


def table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> Table:
    """Numbers to the right under their titles; where there is little room, names are cut."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, justify="right" if column in NUMBERS else "left", no_wrap=column in WHOLE)
    for row in rows:
        made.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in row))
    return made


def grid(console: Console, plots: list[Plot], lines: int) -> list[Table]:
    """As many plots as fit into so many lines, one row of them at least."""
    across = 2 if console.width >= ACROSS else 1
    rows = max(1, min(lines // LEAST, -(-len(plots) // across)))
    height = max(LEAST, min(MOST, lines // rows))
    width = min(console.width, 2 * report.PLOT_COLUMNS) // across - 1
    found = []
    for place in range(0, min(len(plots), rows * across), across):
        line = Table.grid(padding=(0, 1))
        texts = [report.draw(narrow(plot), width, height) for plot in plots[place : place + across]]
        for text in texts:
            text.rstrip()
        line.add_row(*texts)
        found.append(line)
    return found


def narrow(plot: Plot) -> Plot:
    """With what its y means in the title: below, there is room for one of the two axes."""
    return msgspec.structs.replace(plot, title=f"{plot.title}: {plot.y}", y="")


def save(drawn: list[Plot], folder: Path) -> list[Path]:
    """A picture of each plot that has points; an older look's are replaced."""
    return [pictures.draw(plot, folder / f"watch-{name(plot.title)}.png") for plot in drawn if any(plot.series.values())]


def name(title: str) -> str:
    """A plot's title as part of a file's name."""
    return "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in title.lower())
