"""`lab new pipeline`, `lab update-pipeline`: stand-alone projects from templates/, which copier lays out and updates.

The templates are those of the commit that delab's clone is at: what is not committed could not be found again by an update.
"""

import keyword
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from delab.errors import LabError

ROOT = Path(__file__).parent.parent
ANSWERS = ".copier-answers.yml"
NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")


def templates(source: Path = ROOT) -> list[str]:
    """The templates that there are: the folders of templates/."""
    return sorted(path.name for path in (source / "templates").iterdir() if (path / "pyproject.toml.jinja").exists())


def create(name: str, template: str, into: Path, source: Path = ROOT) -> Path:
    """Lay out `into`/`name`; returns it. Raises LabError as `place` does."""
    target = place(name, template, into, source)
    values = {"name": name, "template": template}
    copier("run_copy", str(source), target, vcs_ref=commit(source), data=values, defaults=True)
    return target


def place(name: str, template: str, into: Path, source: Path = ROOT) -> Path:
    """Where the project will be. Raises LabError if the name, the template or the place won't do."""
    check_name(name)
    if template not in (known := templates(source)):
        raise LabError(f"there is no template {template!r}", f"there are: {', '.join(known)}")
    target = into.expanduser().resolve() / name
    check_place(target, source)
    return target


def check_name(name: str) -> None:
    """A name that can be a folder, a Python module, a DAG and a schema."""
    if not NAME.fullmatch(name):
        allowed = "small letters, digits, and single - or _ between them; a letter first: such as daily-orders"
        raise LabError(f"{name!r} can't be the name of a pipeline", allowed)
    if keyword.iskeyword(name) or name.replace("-", "_") in sys.stdlib_module_names:
        raise LabError(f"{name!r} is Python's own, which the pipeline would hide", f"take another name, such as my-{name}")


def check_place(target: Path, source: Path) -> None:
    """Nothing is there yet, it can be written, and it is not in delab itself."""
    if target.is_relative_to(source.resolve()):
        raise LabError(f"{target} is inside delab itself", "go to where your projects are, or name the place: --into ~/projects")
    around = next(path for path in target.parents if path.exists())
    if not around.is_dir() or not os.access(around, os.W_OK):
        raise LabError(f"{around} is no folder that you can write to", "name another place: --into ~/projects")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise LabError(
            f"{target} is there and not empty",
            f"take another name or place (--into), or remove it; to bring a project up to date: lab update-pipeline {target}",
        )


def update(project: Path) -> tuple[list[str], list[str]]:
    """Bring what has changed in the template; returns the files that changed, and those of them with conflicts.

    Raises LabError if the project is not in git, has uncommitted changes, or its template can't be found.
    """
    project = project.resolve()
    if not (project / ANSWERS).is_file():
        raise LabError(f"{project} has no {ANSWERS}: it was not laid out by `lab new pipeline`", "name the project's folder")
    source = Path(told(project, "_src_path"))
    local = source.is_absolute()
    if local and not source.is_dir():
        fix = f"write where delab is now (a folder, or a URL of git) after _src_path in {project / ANSWERS}; commit it; repeat"
        raise LabError(f"the templates were in {source}, which is not there any more", fix)
    copier("run_update", project, vcs_ref=commit(source) if local else None, defaults=True, overwrite=True, conflict="inline")
    return changed(project), git(project, "diff", "--name-only", "--diff-filter=U").splitlines()


def told(project: Path, field: str) -> str:
    """A field of the answers file."""
    found = re.search(rf"^{field}: *(.*?) *$", (project / ANSWERS).read_text(), re.M)
    return found[1].strip("'\"") if found else ""


def changed(project: Path) -> list[str]:
    """The files of a project that are not as committed, as seen from the top of its repository."""
    lines = git(project, "status", "--porcelain", "--untracked-files=all", "--no-renames", ".").splitlines()
    return [line[3:] for line in lines]


def commit(source: Path) -> str | None:
    """What the clone is at; None if it is no clone."""
    inside = git(source, "rev-parse", "--show-toplevel", "HEAD").split()
    return inside[1] if len(inside) == 2 and Path(inside[0]) == source.resolve() else None


def git(folder: Path, *arguments: str) -> str:
    """What git says; nothing if it can't, or if there is no git."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout if done.returncode == 0 else ""


def copier(call: str, *arguments: Any, **options: Any) -> None:
    """One call of copier's. Raises LabError with its reason."""
    import copier as module
    from copier.errors import CopierError
    from plumbum import ProcessExecutionError

    try:
        getattr(module, call)(*arguments, quiet=True, **options)
    except CopierError as error:
        raise LabError(str(error), "have all of the project committed in git, then repeat") from error
    except ProcessExecutionError as error:
        raise LabError(f"git could not do it: {error.stderr.strip()}", "see to that, then repeat") from error
    except OSError as error:
        raise LabError(f"the files can't be written: {error}", "see to that, then repeat") from error
    except ValueError as error:  # an answer that copier.yml refuses
        raise LabError(str(error).removeprefix("Validation error for question 'name': "), "take another name") from error
