"""Stacks from templates, and what a crash leaves."""

import os
import subprocess
import sys

import pytest

from delab import files, lab, paths, process, templates
from delab.checks import Database
from delab.course import plan
from delab.services import make

SERVICES = (make("primary", {"kind": "postgres"}),)


@pytest.mark.parametrize("place", ["memory", "disk"])
def test_a_scratch_stack_given_back_comes_again_as_new(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_SCRATCH", place)
    one = templates.Scratch(templates.Plan("again", SERVICES))
    one.start()
    Database(one["primary"]).execute("CREATE TABLE left_behind ()")
    one.destroy()
    two = templates.Scratch(templates.Plan("again", SERVICES))
    try:
        two.start()
        assert Database(two["primary"]).value("SELECT count(*) FROM pg_class WHERE relname = 'left_behind'") == 0
    finally:
        two.destroy()
    assert not [left for at in paths.places() for left in at.glob("scratch/*")]


def test_a_scratch_stack_goes_to_disk_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "PLENTY", 1 << 60)
    assert paths.scratch() == paths.runtime() / "scratch"


def test_the_lasting_stack_keeps_its_data_until_it_is_renewed() -> None:
    subject = lab.get(902)
    stack = templates.live(plan(subject))
    try:
        stack.start()
        assert Database(stack["primary"]).value("SELECT n FROM wanted") == 101
        Database(stack["primary"]).execute("CREATE TABLE mine ()")
        stack.stop()
        again = templates.live(plan(subject))
        again.start()
        assert Database(again["primary"]).value("SELECT count(*) FROM pg_class WHERE relname = 'mine'") == 1
        renewed = templates.renew(plan(subject))
        renewed.start()
        assert Database(renewed["primary"]).value("SELECT count(*) FROM pg_class WHERE relname = 'mine'") == 0
        assert Database(renewed["primary"]).value("SELECT n FROM wanted") == 101
    finally:
        stack.destroy()
    assert process.all_inside(stack.folder) == []


KILLED = """
import os, signal
from delab import templates
from delab.services import make
stack = templates.Scratch(templates.Plan("again", (make("primary", {"kind": "postgres"}),)))
stack.start()
print(stack.folder, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_repair_ends_the_stack_of_a_killed_owner_and_no_other() -> None:
    mine = templates.Scratch(templates.Plan("again", SERVICES))
    mine.start()
    done = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, text=True, check=False, env=os.environ)
    folder = paths.Path(done.stdout.strip())
    assert done.returncode == -9
    assert process.all_inside(folder)
    templates.repair()
    assert not process.all_inside(folder)
    assert not folder.exists()
    assert mine["primary"].ready()
    mine.destroy()


def test_an_unfinished_template_is_made_anew() -> None:
    plan = templates.Plan("unfinished", SERVICES)
    draft = files.make_folder(paths.runtime() / "templates" / f"{plan.key(False)}.new")
    (draft / "half").mkdir()
    templates.repair()
    assert not draft.exists()
    made = templates.Scratch(plan)
    try:
        made.start()
        assert made["primary"].ready()
    finally:
        made.destroy()
