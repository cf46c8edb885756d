"""What the learner reads: verdicts, the catalogue, the state of the stack; colours only on a terminal, 80 columns always."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle

from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from delab.checks.result import CheckResult, Failure, Plot, Result, Verdict
from delab.errors import LabError
from delab.lab import Lab
from delab.progress import Reached

MARKS = {
    "passed": ("✔", "green"),
    "failed": ("✘", "red"),
    "skipped": ("–", "bright_black"),
    "blocked": ("!", "yellow"),
    "broken": ("?", "magenta"),
}
COLOURS = {
    Verdict.PASSED: "green",
    Verdict.FAILED: "red",
    Verdict.NOT_STARTED: "yellow",
    Verdict.BLOCKED: "yellow",
    Verdict.CANNOT_JUDGE: "magenta",
}
PLOT_COLUMNS, PLOT_ROWS = 98, 16
LINES = ("cyan", "magenta", "yellow", "green", "red", "blue")


def check_line(name: str, outcome: str, seconds: float) -> Text:
    """One check as it ends."""
    mark, colour = MARKS[outcome]
    return Text.assemble((f" {mark} ", colour), name.replace("_", " "), (f"  {seconds:.1f} s", "bright_black"))


def show_result(console: Console, lab: Lab, result: Result, *, checks_shown: bool = True) -> None:
    """The whole verdict: the checks, what they want seen, the first failure in full, what to do next."""
    if not checks_shown:
        for check in result.checks:
            console.print(check_line(check.name, check.outcome, check.seconds))
    for check in result.checks:
        show_evidence(console, check)
    trouble = next((check for check in result.checks if check.outcome in ("failed", "blocked", "broken")), None)
    if trouble and trouble.failure:
        console.print(failure_panel(lab, trouble, trouble.failure))
    console.print(Text(verdict_line(result), style=f"bold {COLOURS[result.verdict]}"))
    for line in next_steps(lab, result, trouble):
        console.print(line, highlight=False, soft_wrap=True)


def verdict_line(result: Result) -> str:
    """`Lab 2, Replication lag: passed (7 of 7 checks, 4.1 s)`."""
    passed = sum(check.outcome == "passed" for check in result.checks)
    counts = f" ({passed} of {len(result.checks)} checks, {result.seconds:.1f} s)" if result.checks else ""
    return f"Lab {result.lab}, {result.title}: {result.verdict}{counts}"


def failure_panel(lab: Lab, check: CheckResult, failure: Failure) -> Panel:
    """A failed check: expected, seen, why it matters, where to look, the command that shows it."""
    rows = Table.grid(padding=(0, 1), expand=True)
    rows.add_column(style="bold", width=9, no_wrap=True)
    rows.add_column(ratio=1, overflow="fold")
    rows.add_row("required", Text(check.requirement))
    for part in ("expected", "seen", "why", "look"):
        if value := getattr(failure, part):
            rows.add_row(part, Text(value))
    if failure.hint:
        rows.add_row("hint", Text(f"make hint-{lab.number}"))
    body: list[Table | Text] = [rows]
    if failure.command:
        body.append(Text(f"\nsee it yourself:\n{failure.command}", overflow="fold"))
    return Panel(Group(*body), title=Text(check.name.replace("_", " "), style="red"), title_align="left", border_style="red")


def next_steps(lab: Lab, result: Result, trouble: CheckResult | None) -> Iterable[str]:
    """What to do now."""
    number = lab.number
    if result.verdict == Verdict.PASSED:
        yield f"Compare with the reference: make solution-{number}. The next lab: make labs."
    elif result.verdict == Verdict.FAILED:
        yield f"Verify again: make verify-{number}"
        yield f"With the same data: lab verify {number} --seed {result.seed}"
    elif result.verdict == Verdict.NOT_STARTED:
        yield f"Nothing in {short(lab)} differs from the starter. Begin with: make lab-{number}"
    else:
        yield from hindrance(result, trouble)


def hindrance(result: Result, trouble: CheckResult | None) -> Iterable[str]:
    """Why the work was not judged; never the learner's fault."""
    yield "Your work was not judged: this is not your mistake."
    yield (trouble.because if trouble else result.reason) or result.reason
    if fix := (trouble.fix if trouble else "") or result.fix:
        yield f"What to do: {fix}"


def short(lab: Lab) -> str:
    """The learner's folder as they would type it."""
    return f"work/{lab.slug}"


def show_evidence(console: Console, check: CheckResult) -> None:
    """Notes and plots of a check."""
    for note in check.notes:
        console.print(Text.assemble((f"   {check.name.replace('_', ' ')}: ", "bright_black"), note))
    for plot in check.plots:
        console.print(draw(plot, min(console.width - 2, PLOT_COLUMNS), PLOT_ROWS))


def draw(plot: Plot, columns: int, lines: int) -> Text:
    """A plot in characters; its lines are named below the title, in their colours where there are colours."""
    import plotext

    series = {name: points for name, points in plot.series.items() if points}  # plotext breaks on a line without points
    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plotsize(columns, lines - 1)
    for colour, points in zip(cycle(LINES), series.values(), strict=False):
        plotext.plot([x for x, _ in points], [y for _, y in points], marker="braille", color=colour)
    if every := [point for points in series.values() for point in points]:
        plotext.xticks(*ticks([x for x, _ in every], columns // 8))
        plotext.yticks(*ticks([y for _, y in every], lines // 3))
    plotext.title(plot.title)
    plotext.xlabel(plot.x)
    plotext.ylabel(plot.y)
    title, _, rest = plotext.build().partition("\n")
    return Text("\n").join([Text.from_ansi(title), legend(series, columns), Text.from_ansi(rest)])


def legend(names: Iterable[str], columns: int) -> Text:
    """The names of lines in their colours, in the middle of a line."""
    told = Text("   ").join(Text(f"━ {name}", style=colour) for colour, name in zip(cycle(LINES), names, strict=False))
    told.truncate(columns, overflow="ellipsis")
    told.pad_left((columns - told.cell_len) // 2)
    return told


def ticks(values: Sequence[float], most: int) -> tuple[list[float], list[str]]:
    """Round numbers along an axis, so many at most, with their labels."""
    low, high = min(values), max(values)
    rough = (high - low) / max(most, 1) or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    places = [number * step for number in range(math.ceil(low / step), math.floor(high / step) + 1)]
    return places, [f"{place:.10g}" for place in places]


def show_error(console: Console, error: LabError) -> None:
    """A failure that a person can act on."""
    console.print(Text(error.message, style="bold red"), soft_wrap=True)
    if error.fix:
        console.print(Text(f"What to do: {error.fix}"), soft_wrap=True)


def show_catalogue(console: Console, labs: Iterable[Lab], reached: Mapping[int, Reached]) -> None:
    """All labs with the learner's progress."""
    table = Table(box=None, pad_edge=False, header_style="bold", expand=False)
    for column in ("lab", "", "title", "level", "minutes", "technologies"):
        table.add_column(column, justify="right" if column in ("lab", "minutes") else "left", overflow="fold")
    for lab in labs:
        table.add_row(*catalogue_row(lab, reached.get(lab.number, Reached())))
    console.print(table)
    console.print("Start one: make lab-N   Check it: make verify-N", style="bright_black")


def catalogue_row(lab: Lab, reached: Reached) -> tuple[str | Text, ...]:
    """One lab of the catalogue."""
    about = lab.about
    state = Text("✔", style="green") if reached.passed else Text("…" if reached.last else " ", style="yellow")
    return str(lab.number), state, about.title, about.difficulty, str(about.minutes), ", ".join(about.technologies)


def show_task(console: Console, lab: Lab) -> None:
    """The task from the lab's README: the section `Task`, or all of it."""
    from rich.markdown import Markdown

    console.print(Markdown(section((lab.folder / "README.md").read_text(), "Task")))


def section(text: str, title: str) -> str:
    """A section of a Markdown text, with its heading, or the whole text if there is none."""
    lines = text.splitlines()
    start = next((place for place, line in enumerate(lines) if line.strip() == f"## {title}"), None)
    if start is None:
        return text
    end = next((place for place in range(start + 1, len(lines)) if lines[place].startswith("## ")), len(lines))
    return "\n".join(lines[start:end])
