"""What the audit asks of a lab's folder before it runs anything."""

import ast
from collections.abc import Iterator
from pathlib import Path

from delab.checks import handed_in
from delab.lab import Lab

SECTIONS = ("Task", "How it is checked", "How it goes wrong in practice", "Read on")
UNFINISHED = "FILL IN"  # what `lab new-lab` leaves for the author
LEAST_HINTS = 3
WITHOUT = ".without"


def problems(lab: Lab) -> list[str]:
    """All that is wrong with the folder's shape, each with what to do; empty if it is sound."""
    return [problem for look in (readme, folders, functions, references, unfinished) for problem in look(lab)]


def readme(lab: Lab) -> Iterator[str]:
    """The text has its sections and one diagram."""
    path = lab.folder / "README.md"
    if not path.exists():
        yield "README.md is missing: write it"
        return
    text = path.read_text()
    for section in SECTIONS:
        if f"\n## {section}" not in text:
            yield f"README.md has no section `## {section}`: add it"
    if "```" not in text:
        yield "README.md has no diagram or example: add one in a fenced block"


def folders(lab: Lab) -> Iterator[str]:
    """The folders are there, and those of wrong and alternative answers are the ones that lab.toml names."""
    for name in ("start", "solution"):
        if not any((lab.folder / name).glob("*")):
            yield f"{name}/ is missing or empty: put the {'starter' if name == 'start' else 'reference'} there"
    if not (lab.folder / "solution" / "README.md").exists():
        yield "solution/README.md is missing: explain the reference there"
    for kind, entries in (("wrong", lab.about.wrong), ("alternatives", lab.about.alternatives)):
        there = {path.name for path in (lab.folder / kind).glob("*") if path.is_dir()}
        named = {entry.name for entry in entries}
        for name in sorted(there ^ named):
            where = "a folder" if name in there else "in lab.toml"
            yield f"{kind}/{name} is {where} only: it needs a folder and an entry in lab.toml"
        for name in sorted(there & named):
            yield from overlay(lab, lab.folder / kind / name)


def overlay(lab: Lab, folder: Path) -> Iterator[str]:
    """An answer changes something in the reference."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    changed = [path for path in files if different(path, lab.folder / "solution" / path.relative_to(folder))]
    if not changed:
        yield f"{folder.relative_to(lab.folder)} is the same as solution/: change what makes it another answer"
    for name in removed(folder):
        if not (lab.folder / "solution" / name).exists():
            yield f"{folder.relative_to(lab.folder)}/{WITHOUT} names {name}, which solution/ does not have: correct it"


def removed(folder: Path) -> list[str]:
    """The files and folders of the reference that an answer does without: the lines of its file `.without`."""
    path = folder / WITHOUT
    return [line.strip() for line in path.read_text().splitlines() if line.strip()] if path.exists() else []


def different(path: Path, reference: Path) -> bool:
    """Whether a file is not just a copy of the reference's."""
    return not reference.exists() or path.read_bytes() != reference.read_bytes()


def functions(lab: Lab) -> Iterator[str]:
    """verify.py has one documented function for each check of lab.toml, and can be run by itself."""
    path = lab.folder / "verify.py"
    if not path.exists():
        yield "verify.py is missing: write the checks"
        return
    try:
        tree = ast.parse(path.read_text())
    except SyntaxError as error:
        yield f"verify.py does not parse: line {error.lineno}: {error.msg}"
        return
    checks = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    found = {node.name.removeprefix("test_"): node for node in checks}
    named = {check.name for check in lab.about.checks}
    for name in sorted(found.keys() ^ named):
        yield f"check {name} is {'a function of verify.py' if name in found else 'in lab.toml'} only: it needs both"
    for name, node in found.items():
        if not ast.get_docstring(node):
            yield f"test_{name} has no docstring: it is the requirement that the learner reads"
    if "main(__file__)" not in path.read_text():
        yield 'verify.py does not end in `if __name__ == "__main__": main(__file__)`: add it'


def references(lab: Lab) -> Iterator[str]:
    """Every name and number in lab.toml points at something."""
    about, earlier = lab.about, {handed_in.NAME}
    if not lab.folder.name.startswith(f"{lab.number:03d}-"):
        yield f"number = {lab.number} does not fit the folder's name: it should begin with {lab.number:03d}-"
    if len(about.hints) < LEAST_HINTS or not all(hint.strip() for hint in about.hints):
        yield f"there are {len(about.hints)} hints or an empty one: write a ladder of at least {LEAST_HINTS}"
    for check in about.checks:
        for need in set(check.needs) - earlier:
            yield f"check {check.name} needs {need}, which is no earlier check: correct `needs` or the order"
        if not 1 <= check.hint <= len(about.hints):
            yield f"check {check.name} names hint {check.hint}, which there is not: there are {len(about.hints)}"
        earlier.add(check.name)
    for kind, name in [("starter", about.starter.check), *((f"wrong/{wrong.name}", wrong.check) for wrong in about.wrong)]:
        if name not in earlier:
            yield f"{kind} names the check {name}, which there is not: name one of {', '.join(sorted(earlier))}"
    for kind, said in [("starter", about.starter.says), *((f"wrong/{wrong.name}", wrong.says) for wrong in about.wrong)]:
        if not said.strip():
            yield f"{kind} names no words that the message must hold: fill `says`"


def unfinished(lab: Lab) -> Iterator[str]:
    """Nothing of the skeleton is left to be filled in."""
    for path in sorted(lab.folder.rglob("*")):
        if path.is_file() and path.suffix in (".md", ".toml", ".py", ".sh", ".sql", ".c") and UNFINISHED in path.read_text():
            yield f"{path.relative_to(lab.folder)} still holds {UNFINISHED!r}: write what belongs there"
