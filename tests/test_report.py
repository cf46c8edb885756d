"""What the learner reads: plots in characters."""

import pytest

from delab.checks.result import Plot
from delab.report import draw, ticks


@pytest.mark.parametrize(
    ("values", "places", "labels"),
    [
        ([5.0], [5.0], ["5"]),
        ([0.0, 14.0], [0.0, 5.0, 10.0], ["0", "5", "10"]),
        ([0.1, 0.9], [0.2, 0.4, 0.6, 0.8], ["0.2", "0.4", "0.6", "0.8"]),
        ([-3.0, 1e9], [0.0, 5e8, 1e9], ["0", "500000000", "1000000000"]),
    ],
)
def test_an_axis_has_round_numbers(values: list[float], places: list[float], labels: list[str]) -> None:
    found, told = ticks(values, 4)
    assert found == pytest.approx(places)
    assert told == labels


@pytest.mark.parametrize("points", [[], [(0.0, 0.0)], [(0.0, 1.0), (10.0, 40.0)]])
def test_a_plot_is_as_large_as_asked_and_names_its_lines(points: list[tuple[float, float]]) -> None:
    text = draw(Plot(title="Lag", x="seconds", y="messages", series={"one": points, "two": points}), 40, 12).plain
    lines = text.rstrip("\n").splitlines()
    assert len(lines) <= 12
    assert max(map(len, lines)) <= 40
    if points:
        assert "Lag" in text
        assert "two" in text


def test_the_names_of_lines_stand_below_the_title_in_their_colours() -> None:
    points = [(0.0, 1.0), (1.0, 2.0)]
    drawn = draw(Plot(title="Lag", x="x", y="y", series={"one": points, "two": points}), 40, 12)
    title, names, *_ = drawn.plain.splitlines()
    assert title.strip() == "Lag"
    assert names.split() == ["━", "one", "━", "two"]
    assert {"cyan", "magenta"} <= {str(span.style) for span in drawn.spans}
