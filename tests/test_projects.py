"""Labs about Docker: what is said where there is no engine, and that nothing is left of a killed verification."""

import os
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from delab import auditing, engine, files, lab, projects, templates, verify
from delab.checks.result import Verdict
from delab.errors import Blocked


def why_not() -> str:
    """What is in the way of the tests with containers; empty if nothing is."""
    try:
        engine.client()
    except Blocked as problem:
        return problem.message
    return ""


containers = pytest.mark.skipif(bool(why_not()), reason=f"no containers here: {why_not()}")


@pytest.fixture
def folder(course: Path) -> Path:
    """A lab about Docker."""
    made = course / "labs" / "901-count-rows"
    toml, checks = made / "lab.toml", made / "verify.py"
    toml.write_text(toml.read_text().replace("hints = [", 'images = ["base"]\nhints = [', 1))
    checks.write_text(checks.read_text().replace("(work", "(project, work"))
    return made


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    monkeypatch.setattr(engine, "client", engine.client.__wrapped__)


def test_needs_the_package(folder: Path) -> None:
    assert "docker" in lab.read(folder).packs()


@pytest.mark.usefixtures("no_engine")
def test_says_what_is_in_the_way_and_not_that_docker_is_not_needed(folder: Path) -> None:
    with pytest.raises(Blocked) as blocked:
        projects.images(lab.read(folder))
    assert "no Docker engine answers" in blocked.value.message
    assert "LAB_RUNTIME" not in blocked.value.fix
    assert projects.NEEDED in blocked.value.fix


@pytest.mark.usefixtures("no_engine")
def test_the_verdict_without_an_engine_is_blocked(folder: Path) -> None:
    subject = lab.read(folder)
    result = verify.run(subject, work=folder / "solution", judge_starter=True)
    assert result.verdict == Verdict.BLOCKED
    assert any("no Docker engine answers" in check.because for check in result.checks)


@pytest.mark.usefixtures("no_engine")
def test_an_audit_without_an_engine_goes_on(folder: Path) -> None:
    console = Console(record=True, width=120)
    left = projects.runnable(console, [lab.read(folder), lab.get(902)])
    assert [subject.number for subject in left] == [902]
    assert auditing.audit_all(console, left[1:], jobs=1, repeat=1) == 0
    assert "Lab 901, Count rows, is not run: no Docker engine answers" in console.export_text()


def test_a_lab_without_images_asks_no_engine(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "client", lambda: pytest.fail("the engine was asked"))
    assert projects.why_not(lab.read(course / "labs" / "901-count-rows")) == ""


def make(name: str) -> list[Any]:
    """A container, a network and a volume of a project, each by another of its marks."""
    docker, image = engine.client(), engine.image("base")
    docker.images.get(image).tag(projects.TAG, name)
    network = docker.networks.create("delab-test", labels={"com.docker.compose.project": name})
    volume = docker.volumes.create(f"{name}-data")
    box = docker.containers.run(f"{projects.TAG}:{name}", detach=True, network=network.name, volumes={volume.name: {"bind": "/x"}})
    return [box, network, volume]


def gone(things: list[Any]) -> list[bool]:
    """Which of these are not there any more."""
    from docker.errors import NotFound

    def missing(one: Any) -> bool:
        try:
            one.reload()
        except NotFound:
            return True
        return False

    return [missing(one) for one in things]


@containers
def test_nothing_is_left_of_a_killed_verification(course: Path) -> None:
    name = f"{projects.PREFIX}test{os.getpid()}"
    lock = projects.lock_of(name)
    held = files.own(lock)
    made = make(name)
    try:
        templates.collect()
        assert gone(made) == [False] * 3, "its verification lives"
        os.close(held)
        templates.collect()
        assert gone(made) == [True] * 3
        assert not lock.exists()
    finally:
        projects.clear(name)
