"""Where PostgreSQL's programs come from."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from delab import paths, postgres_programs
from delab.errors import Blocked


def test_a_folder_without_postgres_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Blocked, match="holds no program `postgres`"):
        postgres_programs.system_folder(str(tmp_path))


def test_the_packaged_programs_run() -> None:
    assert postgres_programs.major() >= 18


PRIVATE = """
from delab import paths, templates
from delab.services import make
stack = templates.Scratch(templates.Plan("private", (make("primary", {"kind": "postgres"}),)))
stack.start()
print(stack["primary"].ready(), paths.runtime())
stack.destroy()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's services run as somebody else")
def test_root_in_a_private_folder_has_its_data_where_the_service_user_can_reach_them(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    variables = {**os.environ, "LAB_STATE": str(private / "state"), "LAB_SCRATCH": "disk"}
    done = subprocess.run([sys.executable, "-c", PRIVATE], capture_output=True, text=True, check=False, env=variables)
    ready, place = done.stdout.split()
    assert ready == "True", done.stderr
    assert Path(place).parent == Path("/var/tmp")
    assert Path(place).stat().st_mode & 0o777 == 0o711
    shutil.rmtree(place)


def test_services_run_as_nobody_only_for_root() -> None:
    assert (paths.service_user() is None) == (os.geteuid() != 0)
