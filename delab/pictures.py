"""A result's plots as PNG files, for the learner's notes."""

from pathlib import Path

from delab.checks.result import Plot, Result


def save(result: Result, folder: Path) -> list[Path]:
    """Draw every plot of a result into `folder`; returns the files."""
    found = [(f"{check.name}-{place}.png", plot) for check in result.checks for place, plot in enumerate(check.plots, 1)]
    return [draw(plot, folder / name) for name, plot in found]


def draw(plot: Plot, path: Path) -> Path:
    """One plot: a line for each series, 900 × 450 pixels."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 4.5), dpi=100)
    for name, points in plot.series.items():
        axes.plot([x for x, _ in points], [y for _, y in points], label=name, drawstyle="steps-post")
    axes.set(title=plot.title, xlabel=plot.x, ylabel=plot.y)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)
    return path
