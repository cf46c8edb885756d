"""The audit finds each thing that can be wrong with a lab, one at a time."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from delab import auditing, lab, new_lab, shape
from delab.errors import LabError

QUIET = Console(quiet=True)


def audit(folder: Path) -> list[str]:
    """The problems of a lab."""
    return auditing.audit(QUIET, lab.read(folder))[0]


@pytest.fixture
def folder(course: Path) -> Path:
    return course / "labs" / "901-count-rows"


def edit(path: Path, old: str, new: str) -> None:
    """Replace a text that must be there."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def toml(old: str, new: str) -> Callable[[Path], None]:
    return lambda folder: edit(folder / "lab.toml", old, new)


def copy(source: str, target: str) -> Callable[[Path], None]:
    return lambda folder: (folder / target).write_text((folder / source).read_text()) and None


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink() if (folder / name).is_file() else shutil.rmtree(folder / name)


def break_verifier(folder: Path) -> None:
    edit(folder / "verify.py", "    rows =", "    raise KeyError('oops')\n    rows =")


def reject_all(folder: Path) -> None:
    edit(folder / "verify.py", "lines == [str(rows)]", "False")


def accept_all(folder: Path) -> None:
    edit(folder / "verify.py", "lines == [str(rows)]", "True")


def add_check(folder: Path) -> None:
    edit(folder / "lab.toml", "[[alternatives]]", '[[checks]]\nname = "idle"\nwhy = "x"\n\n[[alternatives]]')
    edit(folder / "verify.py", "if __name__", 'def test_idle() -> None:\n    """Nothing."""\n\n\nif __name__')


def no_fences(folder: Path) -> None:
    (folder / "README.md").write_text((folder / "README.md").read_text().replace("```", ""))


def no_docstring(folder: Path) -> None:
    edit(folder / "verify.py", '    """`count.py` prints', '    "" + """`count.py` prints')


def unparsable(folder: Path) -> None:
    (folder / "wrong" / "counts-the-header" / "count.py").write_text("(")


SHAPES = {
    "README.md is missing": remove("README.md"),
    "README.md has no section `## Task`": lambda folder: edit(folder / "README.md", "## Task", "## Something"),
    "README.md has no diagram": no_fences,
    "start/ is missing or empty": remove("start"),
    "solution/ is missing or empty": remove("solution"),
    "solution/README.md is missing": remove("solution/README.md"),
    "wrong/counts-the-header is in lab.toml only": remove("wrong/counts-the-header"),
    "alternatives/other is a folder only": lambda folder: (folder / "alternatives" / "other").mkdir(),
    "wrong/counts-the-header is the same as solution/": copy("solution/count.py", "wrong/counts-the-header/count.py"),
    "verify.py is missing": remove("verify.py"),
    "verify.py does not parse": lambda folder: (folder / "verify.py").write_text("def"),
    "check counts is in lab.toml only": lambda folder: edit(folder / "verify.py", "def test_counts", "def check_counts"),
    "test_counts has no docstring": no_docstring,
    "verify.py does not end in": lambda folder: edit(folder / "verify.py", "main(__file__)", "main(0)"),
    "number = 900 does not fit": toml("number = 901", "number = 900"),
    "there are 1 hints": toml('hints = [\n  "Read the first line.",\n  "Is it data?",\n  "Skip it.",\n]', 'hints = ["one"]'),
    "check counts needs nothing, which is no earlier check": toml("hint = 1", 'hint = 1\nneeds = ["nothing"]'),
    "check counts names hint 7": toml("hint = 1", "hint = 7"),
    "starter names the check other": toml('check = "counts"', 'check = "other"'),
    "starter names no words": toml('says = "printed nothing"', 'says = " "'),
    "still holds 'FILL IN'": toml("The header was taken", "FILL IN: The header was taken"),
}  # fmt: skip


@pytest.mark.parametrize("says", SHAPES)
def test_a_broken_shape_is_named(says: str, folder: Path) -> None:
    SHAPES[says](folder)
    problems = shape.problems(lab.read(folder))
    assert any(problem.startswith(says) or says in problem for problem in problems), problems


JUDGED = {
    "solution: was rejected": reject_all,
    "alternatives/another-way: was rejected": copy("wrong/counts-the-header/count.py", "alternatives/another-way/count.py"),
    "wrong/counts-the-header: passed": copy("alternatives/another-way/count.py", "wrong/counts-the-header/count.py"),
    "starter: passed": copy("solution/count.py", "start/count.py"),
    "check counts catches no wrong solution": accept_all,
    "check idle catches no wrong solution": add_check,
    "solution: ended in *cannot judge*": break_verifier,
    "wrong/counts-the-header: the message does not say 'two too many'": toml("one too many", "two too many"),
    "wrong/counts-the-header: was rejected by files": unparsable,
}  # fmt: skip


@pytest.mark.parametrize("says", JUDGED)
def test_a_lab_that_does_not_keep_its_word_is_found(says: str, folder: Path) -> None:
    JUDGED[says](folder)
    problems = audit(folder)
    assert any(problem.startswith(says) for problem in problems), problems


def test_a_whole_audit_goes_on_behind_the_check_that_rejects_and_none_may_break(folder: Path) -> None:
    add_check(folder)
    edit(folder / "verify.py", '"""Nothing."""', '"""Nothing."""\n    assert all(COUNTED), "out of step"')
    edit(folder / "verify.py", "    expect(lines ==", "    COUNTED.append(lines == [str(rows)])\n    expect(lines ==")
    edit(folder / "verify.py", "\n\ndef test_counts", "\nCOUNTED = []\n\n\ndef test_counts")
    idle = "check idle catches no wrong solution"
    assert audit(folder) == [idle]
    ((whole, _),) = auditing.audits(QUIET, [lab.read(folder)], whole=True)
    broken = [problem.partition(" (")[0] for problem in whole]
    assert broken == ["starter: was rejected, but idle broke", "wrong/counts-the-header: was rejected, but idle broke", idle]


def test_a_sound_lab_with_services_has_no_problem(course: Path) -> None:
    assert audit(course / "labs" / "902-fill-table") == []


def test_an_alternative_in_another_language_is_judged_itself(course: Path) -> None:
    folder = course / "labs" / "902-fill-table"
    (folder / "alternatives" / "psql" / "fill.sh").write_text("exit 3\n")
    problems = audit(folder)
    assert [problem.partition(" (")[0] for problem in problems] == ["alternatives/psql: was rejected"], problems


def test_a_wrong_lab_toml_names_the_field(folder: Path) -> None:
    edit(folder / "lab.toml", "minutes = 30", 'minutes = "30"')
    with pytest.raises(LabError, match=r"Expected `int`, got `str` - at `\$.minutes`"):
        lab.read(folder)


def test_the_skeleton_is_accepted_once_it_is_filled_in(course: Path) -> None:
    made = new_lab.create(77, "Grüße & Größen")
    assert made.name == "077-grue-groen" or made.name.startswith("077-gr")
    assert all("FILL IN" in problem for problem in shape.problems(lab.read(made)))
    for path in made.rglob("*"):
        if path.is_file():
            path.write_text(path.read_text().replace("FILL IN", "filled in"))
    assert audit(made) == []


def test_a_number_that_is_taken_is_refused(course: Path) -> None:
    with pytest.raises(LabError, match="lab 901 is there: 901-count-rows"):
        new_lab.create(901, "Again")


def test_when_the_time_is_over_no_further_case_is_begun(folder: Path) -> None:
    console = Console(record=True, width=80)
    problems, outcomes = auditing.audit(console, lab.read(folder), until=0)
    assert problems == []
    assert [item.case.name for item in outcomes] == ["solution"]
    assert f"{len([*auditing.cases_of(lab.read(folder))]) - 1} of " in console.export_text()


def test_labs_are_told_of_in_their_order_though_they_overlap(course: Path) -> None:
    labs = [lab.read(course / "labs" / name) for name in ("902-fill-table", "901-count-rows")]
    told = [(outcomes[0].result.lab, problems) for problems, outcomes in auditing.audits(QUIET, labs)]
    assert told == [(902, []), (901, [])]


def test_after_several_labs_their_problems_are_told_again(course: Path) -> None:
    copy("start/count.py", "alternatives/another-way/count.py")(course / "labs" / "901-count-rows")
    console = Console(record=True, width=200)
    labs = [lab.read(course / "labs" / name) for name in ("901-count-rows", "902-fill-table")]
    assert auditing.audit_all(console, labs, jobs=1, repeat=1) == 1
    said = console.export_text()
    assert said.count("alternatives/another-way: was rejected") == 2
    assert "✘ lab 901, alternatives/another-way: was rejected" in said.partition("audit: 2 labs")[2]
