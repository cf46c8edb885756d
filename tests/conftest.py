"""A state of the tests' own (built once a run), and the tiny course."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

COURSE = Path(__file__).parent / "course"


def pytest_configure() -> None:
    """Choose the places before delab is imported: where root's services can reach them, and nothing of the person's own."""
    place = Path(tempfile.mkdtemp(prefix="delab-test-"))
    place.chmod(0o755)
    os.environ.update(LAB_ROOT=str(COURSE), LAB_STATE=str(place / "state"), LAB_WORK=str(place / "work"), LAB_TEST_PLACE=str(place))
    os.environ["LAB_ARCHIVES"] = "no"  # of Java's classes: they would take longer than they save here
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]


def pytest_unconfigure() -> None:
    """End what a failed test left, and remove the places."""
    from delab import paths, process, templates

    templates.collect(everything=True)
    process.kill(process.all_inside(*paths.places()))
    for child in process.DETACHED:  # else Python says of each at its end that it still runs
        child.poll()
    if memory := paths.memory():
        shutil.rmtree(memory, ignore_errors=True)
    shutil.rmtree(os.environ["LAB_TEST_PLACE"], ignore_errors=True)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that services running as another user can reach."""
    path = Path(tempfile.mkdtemp(prefix="place-", dir=os.environ["LAB_TEST_PLACE"]))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def course(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the tiny course that a test may break."""
    shutil.copytree(COURSE, place / "course")
    monkeypatch.setenv("LAB_ROOT", str(place / "course"))
    monkeypatch.setenv("LAB_WORK", str(place / "work"))
    return place / "course"
