"""Archives of parsed classes are made once, and nobody waits for ever for one."""

import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import pytest

from delab import archives, files, paths
from delab.local import LocalNode
from delab.services.base import Place, Service


class Pages(Service, frozen=True, kw_only=True):
    """A server of the standard library's."""

    as_person: ClassVar[bool] = True

    def create(self, place: Place) -> None:
        """Its folder."""
        files.make_folder(place.data)

    def command(self, place: Place) -> list[str]:
        """The server."""
        return [sys.executable, "-m", "http.server", str(place.port), "--bind", "127.0.0.1", "--directory", str(place.data)]

    def ready(self, place: Place) -> bool:
        """Whether it takes connections."""
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", place.port), timeout=1).close()
            return True
        return False


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where an archive would be, with archives allowed."""
    monkeypatch.delenv("LAB_ARCHIVES", raising=False)
    return tmp_path / "some-archive"


def make(target: Path, rehearsed: list[str]) -> None:
    """Make it by a rehearsal that only notes that it was held."""

    def rehearse(node: LocalNode) -> Path:
        assert node.alive()
        rehearsed.append(node.stack.name)
        target.write_text("made meanwhile")
        raise InterruptedError

    archives.make(target, "pages", Pages(name="pages"), str, rehearse)


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
