"""Archives of parsed classes are made once, and nobody waits for ever for one."""

from pathlib import Path

import pytest

from delab import archives, files, paths
from delab.local import LocalStack
from delab.services.kafka import Rehearsal


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where an archive would be, with archives allowed."""
    monkeypatch.delenv("LAB_ARCHIVES", raising=False)
    return tmp_path / "some-archive"


def make(target: Path, rehearsed: list[str]) -> None:
    """Make it by a rehearsal that only notes that it was held."""

    def rehearse(stack: LocalStack) -> Path:
        rehearsed.append(stack.name)
        target.write_text("made meanwhile")
        raise InterruptedError

    archives.make(target, "Kafka", Rehearsal(name="kafka"), str, rehearse)


def test_one_that_is_there_is_not_made_again(target: Path) -> None:
    rehearsed = list[str]()
    with pytest.raises(InterruptedError):
        make(target, rehearsed)
    make(target, rehearsed)
    assert rehearsed == [target.stem]


def test_while_another_command_makes_it_for_ever_this_one_does_without(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    patient, rehearsed = files.acquire, list[str]()
    with files.locked(paths.lock(target.stem)):
        monkeypatch.setattr(files, "acquire", lambda descriptor, _, waiting: patient(descriptor, 0.1, waiting))
        make(target, rehearsed)
    assert not rehearsed
    assert not target.exists()
