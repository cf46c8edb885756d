"""How the benchmarks print what they measured."""

from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One figure and the bound that it must keep: at most `bound`, or at least it if `least`."""

    what: str
    value: float
    bound: float
    least: bool = False

    @property
    def kept(self) -> bool:
        """Whether the bound holds."""
        return self.value >= self.bound if self.least else self.value <= self.bound


def report(title: str, rows: list[Row]) -> int:
    """Print the table; returns 1 if a bound is broken, else 0."""
    table = Table("figure", "measured", "bound", "", title=title, title_justify="left")
    for row in rows:
        bound = f"{'≥' if row.least else '≤'} {row.bound:g}"
        table.add_row(row.what, f"{row.value:.3g}", bound, "kept" if row.kept else "[red]broken[/red]")
    Console(width=100).print(table)
    return int(not all(row.kept for row in rows))
