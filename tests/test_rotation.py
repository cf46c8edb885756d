"""An audit with too little time begins with what the last commit changed, and elsewhere with each commit."""

import subprocess
from pathlib import Path

import pytest
from rich.console import Console

from delab import auditing, lab, rotation


def commit(folder: Path, message: str) -> None:
    """Commit all."""
    who = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    for words in (["add", "-A"], [*who, "commit", "-qm", message]):
        subprocess.run(["git", *words], cwd=folder, check=True)


@pytest.fixture
def labs(course: Path) -> list[lab.Lab]:
    """Three labs in a git repository."""
    for name in ("902-b", "903-c"):
        (course / "labs" / name).mkdir()
        for file in ("lab.toml", "README.md"):
            (course / "labs" / name / file).write_text(
                (course / "labs" / "901-count-rows" / file).read_text().replace("901", name[:3])
            )
    subprocess.run(["git", "init", "-q", str(course)], check=True)
    commit(course, "all")
    return [lab.read(course / "labs" / name) for name in ("901-count-rows", "902-b", "903-c")]


def numbers(labs: list[lab.Lab]) -> list[int]:
    return [subject.number for subject in labs]


def test_what_the_last_commit_changed_comes_first(labs: list[lab.Lab], course: Path) -> None:
    for changed in ("902-b", "903-c", "901-count-rows"):
        (course / "labs" / changed / "notes").write_text("new")
        commit(course, "one")
        assert numbers(rotation.order(labs))[0] == int(changed[:3])
        assert sorted(numbers(rotation.order(labs))) == [901, 902, 903]


def test_each_commit_begins_elsewhere(labs: list[lab.Lab], course: Path) -> None:
    first: set[int] = set()
    for number in range(200):
        if first == {901, 902, 903}:
            return
        (course / "README").write_text(str(number))
        commit(course, "no lab")
        first.add(numbers(rotation.order(labs))[0])
    pytest.fail(f"200 commits, and only {first} came first")


def test_without_git_they_stay_as_they_are(labs: list[lab.Lab], course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert numbers(rotation.order(labs)) == [901, 902, 903]


def test_no_lab_is_begun_when_the_time_is_over(labs: list[lab.Lab]) -> None:
    console = Console(record=True, width=80)
    assert auditing.audit_all(console, labs, jobs=1, repeat=1, minutes=0) == 0
    assert "not audited, since 0 minutes are over: lab audit 901 902 903" in console.export_text()


def test_labs_are_found_by_the_kinds_of_their_services(labs: list[lab.Lab], course: Path) -> None:
    other = course / "labs" / "903-c" / "lab.toml"
    other.write_text(other.read_text() + '\n[services.warehouse]\nkind = "kafka"\n')
    found = lab.everything()
    kinds = {subject.number: {one.kind() for one in subject.services()} for subject in found}
    assert numbers(rotation.among(found, {"postgres", "kafka"})) == [number for number, needed in kinds.items() if needed]
    assert 903 not in numbers(rotation.among(found, {"postgres"}))
