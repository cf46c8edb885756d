"""Programs of a learner's and how they end."""

from pathlib import Path

from delab import lab
from delab.checks import Work


def test_a_program_that_has_only_just_begun_can_be_ended(tmp_path: Path) -> None:
    for name in ("mine", "run"):
        (tmp_path / name).mkdir()
    work = Work(lab.get(901), tmp_path / "mine", tmp_path / "run")
    for _ in range(3):
        with work.start_command(["cat"], interactive=True) as program:
            assert program.running()
        assert not program.running()
