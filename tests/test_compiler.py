"""The C compiler: the machine's own comes first, then the package's; none blocks."""

import subprocess
import sys

import pytest

from delab import compiler, packs
from delab.errors import Blocked


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A machine without a compiler."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def program(place, name):
    path = place / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("name", compiler.NAMES)
def test_the_machines_own_compiler_needs_no_pack(bare, name):
    path = program(bare, name)
    assert compiler.compiler() == [str(path)]
    assert not packs.needed("c")


def test_the_stub_of_a_mac_without_tools_is_no_compiler(monkeypatch):
    monkeypatch.setattr(compiler.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(compiler.sys, "platform", "darwin")
    monkeypatch.setattr(compiler, "developer_tools", lambda: False)
    assert compiler.system() == ""
    monkeypatch.setattr(compiler, "developer_tools", lambda: True)
    assert compiler.system() == "/usr/bin/cc"


def test_without_one_the_package_compiles(bare, monkeypatch):
    monkeypatch.setattr(compiler.importlib.util, "find_spec", lambda name: object())
    assert packs.needed("c")
    assert compiler.compiler() == [sys.executable, "-m", "ziglang", "cc"]


def test_with_neither_the_lab_is_blocked(bare, monkeypatch):
    monkeypatch.setattr(compiler.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Blocked, match="no C compiler"):
        compiler.compiler()


def test_by_hand_it_is_the_compiler():
    done = subprocess.run([sys.executable, "-m", "delab.compiler", "--version"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout
