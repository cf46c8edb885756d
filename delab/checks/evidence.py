"""What a check wants the learner to see beside its verdict: notes, and plots of what it measured."""

from collections.abc import Mapping, Sequence

from delab.checks.result import Plot


class Evidence:
    """Collects for the check that runs now."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.plots: list[Plot] = []

    def note(self, text: str) -> None:
        """One sentence on what was measured, shown with the check whether it passes or fails."""
        self.notes.append(text)

    def plot(self, title: str, x: str, y: str, series: Mapping[str, Sequence[tuple[float, float]]]) -> None:
        """Lines over a common axis (`x`, `y`: axis titles with units); drawn in the terminal and saved as a picture."""
        self.plots.append(Plot(title=title, x=x, y=y, series={name: list(points) for name, points in series.items()}))
