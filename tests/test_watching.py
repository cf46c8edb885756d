"""What `lab watch N` shows of streams while it waits: it fits the terminal, a wish ends it, the pictures are saved."""

import io
import queue
from pathlib import Path

import pytest
from rich.console import Console

from delab import lab, looking, sampling
from delab.checks.failing import CheckFailed
from delab.checks.result import Failure
from delab.frames import Sample, Windows
from delab.watching import Wishes, next_wish

ROW = b'{"window_start": "2025-03-01T10:%02d:00Z", "page_id": 1, "view_count": %d}'
NAMES = ("spark page_views", "spark a query whose name is longer than a column")


class Sampler(sampling.Sampler):
    """Three topics, two of which hold windows, and two readers; the second time that it is asked, a topic is gone."""

    def __init__(self, wishes: Wishes) -> None:
        self.windows = {name: Windows() for name in ("activity", "clicks", "page_views")}
        self.wishes, self.asked, self.left = wishes, 0, False

    def __enter__(self) -> "Sampler":
        return self

    def __exit__(self, *_: object) -> None:
        self.left = True

    def sample(self) -> Sample:
        self.asked += 1
        if self.asked == 2:
            raise CheckFailed(Failure(expected="a topic", seen="there is none"))
        if self.asked == 4:
            self.wishes.put("quit")
        for name in ("activity", "page_views"):
            self.windows[name].add(None, ROW % (self.asked - 1, self.asked))
        readers = {(name, "clicks"): self.asked for name in NAMES}
        ends = {"clicks": 100 * self.asked, "page_views": self.asked, "activity": self.asked}
        return Sample(float(self.asked), ends, readers, dict.fromkeys(readers, 1740823200000))


def look(folder: Path, width: int, height: int) -> tuple[str, list[str], list[str]]:
    """The wish that ended a look, its last frame, and what was printed when it was left."""
    wishes: Wishes = queue.SimpleQueue()
    console = Console(file=io.StringIO(), width=width, height=height)
    with looking.Look(console, Sampler(wishes), folder) as made:
        wish = made.until_wish(wishes)
        shown = console.file.getvalue().splitlines()
        console.file = io.StringIO()
    assert made.sampler.left
    return wish, shown, console.file.getvalue().splitlines()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again at once."""
    monkeypatch.setattr(looking, "INTERVAL", 0.01)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (60, 40), (200, 60)])
def test_a_frame_fits_the_terminal_and_q_ends_it(tmp_path: Path, width: int, height: int) -> None:
    wish, shown, _ = look(tmp_path, width, height)
    text = "\n".join(shown)
    assert wish == "quit"
    assert max(map(len, shown)) <= width
    assert len(shown) < height, text
    assert "2025-03-01 10:00:00" in text
    assert "spark page_views" in text
    assert "activity: view_count" in text
    assert "minutes since 2025-03-01 10:00 UTC" in text


def test_while_nobody_reads_it_says_what_to_do(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=80, height=24)
    console.print(looking.Look(console, Sampler(queue.SimpleQueue()), tmp_path).frame())
    assert looking.NOBODY in console.file.getvalue()


def test_the_pictures_are_saved_and_named(tmp_path: Path) -> None:
    _, _, said = look(tmp_path, 80, 24)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["watch-activity.png", "watch-lag.png", "watch-page_views.png"]
    assert len([line for line in said if "a picture of it" in line]) == 3


def test_a_topics_name_becomes_a_files_name() -> None:
    assert looking.name("page_views") == "page_views"
    assert looking.name("../a b") == "---a-b"


def test_several_saves_are_one_wish_but_the_end_is_the_end() -> None:
    wishes: Wishes = queue.SimpleQueue()
    assert next_wish(wishes, 0.01) == ""
    for wish in ("verify", "verify", "quit", "verify"):
        wishes.put(wish)
    assert next_wish(wishes) == "quit"


def test_only_labs_with_a_broker_have_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAB_ROOT")
    assert lab.get(107).streams
    assert not lab.get(2).streams
