"""The learner's files, as a check sees them: a fresh copy, and ways to run what is in it."""

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from delab import files
from delab.checks.failing import fail
from delab.checks.program import Limits, Program, Run
from delab.lab import Lab

LARGEST = 1_000_000  # bytes of one file that is handed in
SKIPPED = {".git", ".venv", "__pycache__", "node_modules", "target", "dbt_packages", "logs"}  # dbt's last three, Maven's target
INTERPRETERS = {".py": [sys.executable], ".sh": ["bash"]}


class Work:
    """The learner's folder. Programs run in a copy: what they leave there never touches the learner's files."""

    def __init__(self, lab: Lab, original: Path, run_folder: Path) -> None:
        self.lab, self.original, self.run_folder = lab, original, run_folder
        self.folder = run_folder / "work"
        self.environment: dict[str, str] = {}
        self.fresh()

    def fresh(self) -> None:
        """Make the copy anew, as a first run would find it."""
        if self.folder.exists():
            files.remove_tree(self.folder)
        copy_work(self.original, self.folder)

    def path(self, name: str) -> Path:
        """A handed-in file in the copy; of "a.sh|a.py" the one that the learner chose."""
        return self.folder / chosen(self.lab, self.folder, name)

    def text(self, name: str) -> str:
        """The content of a handed-in file."""
        return self.path(name).read_text(errors="replace")

    def command(self, name: str) -> list[str]:
        """How to run a handed-in file: by its interpreter, or itself."""
        path = self.path(name)
        return [*INTERPRETERS.get(path.suffix, []), str(path)]

    def start(
        self, name: str, *arguments: str, env: Mapping[str, str] | None = None, stdin: str | None = None, **limits: Any
    ) -> Program:
        """Start a handed-in program; see Limits for `seconds`, `memory`, `file`, `output`."""
        return self.start_command([*self.command(name), *arguments], env=env, stdin=stdin, **limits)

    def run(self, name: str, *arguments: str, env: Mapping[str, str] | None = None, stdin: str | None = None, **limits: Any) -> Run:
        """Run a handed-in program to its end."""
        with self.start(name, *arguments, env=env, stdin=stdin, **limits) as program:
            return program.wait()

    def start_command(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
        interactive: bool = False,
        **limits: Any,
    ) -> Program:
        """Start any command in the learner's place: same folder, variables and limits. An interactive one hears `say(text)`."""
        variables = {**clean_environment(), **self.environment, **(env or {})}
        return Program(
            command,
            folder=self.folder,
            environment=variables,
            mark=self.run_folder,
            limits=Limits(**limits),
            stdin=stdin,
            interactive=interactive,
        )

    def run_command(self, command: Sequence[str], **options: Any) -> Run:
        """Run any command in the learner's place to its end."""
        with self.start_command(command, **options) as program:
            return program.wait()

    def call(self, driver: Path, *arguments: str, **options: Any) -> Any:
        """Run a lab's driver (a script of ours that imports the learner's module) in the learner's place.

        The driver writes its answer as JSON to the file that it gets as its first argument; that is returned. Fails the check if
        the program ends without an answer, whatever its exit code.
        """
        answer = self.run_folder / "answer.json"
        answer.unlink(missing_ok=True)
        paths = os.pathsep.join([str(self.folder), str(driver.parent)])
        env = {"PYTHONPATH": paths, "PYTHONSAFEPATH": "1", **(options.pop("env", None) or {})}
        run = self.run_command([sys.executable, str(driver), str(answer), *arguments], env=env, **options)
        return read_answer(answer, run)


def read_answer(answer: Path, run: Run) -> Any:
    """What a driver wrote; fails the check if there is nothing, saying how the program ended."""
    try:
        return json.loads(answer.read_text())
    except (OSError, ValueError):
        said = f"; its last words:\n{run.last_words}" if run.last_words else " without a word"
        fail(expected="your code runs to its end and gives a result", seen=f"{run.ended}{said}")


def clean_environment() -> dict[str, str]:
    """The person's variables without those that would steer PostgreSQL's clients or Python."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("PG", "PYTHON", "PYTEST", "DELAB"))}


def copy_work(original: Path, target: Path) -> None:
    """Copy the learner's files, leaving out what is no hand-in: large files, environments, caches."""

    def left_out(folder: str, names: list[str]) -> set[str]:
        paths = {name: Path(folder) / name for name in names}
        return {name for name, path in paths.items() if name in SKIPPED or (path.is_file() and path.stat().st_size > LARGEST)}

    with files.disk_full_explained(target):
        shutil.copytree(original, target, ignore=left_out, symlinks=True)


def chosen(lab: Lab, folder: Path, name: str) -> str:
    """Of the names in "a.sh|a.py": the one that exists, and if several do, the one that differs from the starter."""
    there = [option for option in name.split("|") if (folder / option).is_file()]
    return (changed(lab, folder, name) or there or name.split("|"))[0]


def changed(lab: Lab, folder: Path, name: str) -> list[str]:
    """Of the names in "a.sh|a.py": those that exist and differ from the starter; more than one leaves open which is handed in."""
    there = [option for option in name.split("|") if (folder / option).is_file()]
    return [option for option in there if not same(folder / option, lab.start / option)]


def same(one: Path, other: Path) -> bool:
    """Whether two files have the same content."""
    there = one.is_file() and other.is_file()
    return there and one.stat().st_size == other.stat().st_size and one.read_bytes() == other.read_bytes()


def untouched(lab: Lab, folder: Path) -> bool:
    """Whether the learner has not begun: no folder, or nothing in it but the starter's files as they came."""
    if not folder.is_dir():
        return True
    starter = {path.relative_to(lab.start) for path in lab.start.rglob("*") if path.is_file()}
    mine = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and counts(path.relative_to(folder))}
    return mine == starter and all(same(folder / path, lab.start / path) for path in starter)


def counts(path: Path) -> bool:
    """Whether a file speaks of the learner's work; hidden files and caches do not."""
    return not any(part in SKIPPED or part.startswith(".") for part in path.parts)
