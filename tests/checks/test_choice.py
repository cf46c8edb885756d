"""A file that may be handed in under one of several names: which one is judged."""

import shutil
from pathlib import Path

import msgspec
import pytest

from delab import commands, lab
from delab.checks import CheckFailed, handed_in
from delab.checks.work import changed, chosen, untouched

NAME = "spark_job.py|flink_job.py"
SPARK, FLINK = NAME.split("|")


@pytest.fixture
def subject(tmp_path: Path) -> lab.Lab:
    """A lab with a starter for each of two engines."""
    folder = tmp_path / "907-choice"
    (folder / "start").mkdir(parents=True)
    for name in (SPARK, FLINK):
        (folder / "start" / name).write_text(f"print('{name}')\n")
    about = msgspec.structs.replace(lab.get(901).about, files=(NAME,), number=907)
    return lab.Lab(folder, about)


@pytest.fixture
def mine(subject: lab.Lab, tmp_path: Path) -> Path:
    """The learner's folder as `lab start` lays it."""
    shutil.copytree(subject.start, tmp_path / "mine")
    return tmp_path / "mine"


def test_nothing_changed_is_not_started(subject: lab.Lab, mine: Path) -> None:
    assert untouched(subject, mine)
    assert changed(subject, mine, NAME) == []
    handed_in.check_files(subject, mine)


@pytest.mark.parametrize("name", [SPARK, FLINK])
def test_the_changed_one_is_handed_in(subject: lab.Lab, mine: Path, name: str) -> None:
    (mine / name).write_text("print('mine')\n")
    assert not untouched(subject, mine)
    assert chosen(subject, mine, NAME) == name
    handed_in.check_files(subject, mine)


@pytest.mark.parametrize("name", [SPARK, FLINK])
def test_the_only_one_that_is_left_is_handed_in(subject: lab.Lab, mine: Path, name: str) -> None:
    (mine / (FLINK if name == SPARK else SPARK)).unlink()
    assert chosen(subject, mine, NAME) == name
    handed_in.check_files(subject, mine)


def test_two_changed_ones_leave_it_open(subject: lab.Lab, mine: Path) -> None:
    for name in (SPARK, FLINK):
        (mine / name).write_text("print('mine')\n")
    with pytest.raises(CheckFailed, match=r"spark_job.py and flink_job.py have both been changed"):
        handed_in.check_files(subject, mine)
    (mine / SPARK).unlink()
    handed_in.check_files(subject, mine)
    assert chosen(subject, mine, NAME) == FLINK


def test_a_broken_choice_is_named(subject: lab.Lab, mine: Path) -> None:
    (mine / FLINK).write_text("print(")
    with pytest.raises(CheckFailed, match=r"flink_job.py is valid Python"):
        handed_in.check_files(subject, mine)


def test_lab_start_says_how_to_choose(subject: lab.Lab) -> None:
    (line,) = commands.choices(subject)
    assert "spark_job.py or flink_job.py" in line
    assert commands.choices(lab.get(901)) == []
