"""The tree: nothing in it that should not be, and what is generated is up to date."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from delab import course

ROOT = Path(__file__).parent.parent
TEXTS = {".py", ".md", ".toml", ".lock", ".sh", ".sql", ".c", ".h", ".in", ".ini", ".json", ".html", ".jinja", ""}


def tracked() -> list[Path]:
    """The files that git knows."""
    out = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return [ROOT / name for name in out.split("\0") if name and (ROOT / name).is_file()]


def texts() -> list[tuple[str, str]]:
    """Name and content of every text."""
    return [(str(path.relative_to(ROOT)), path.read_text()) for path in tracked() if path.suffix in TEXTS]


FORBIDDEN = {
    "a path of one machine": r"/work/main|/root/|/home/[a-z]+/",
    "an address of a package index": r"files\.pythonhosted|pypi\.org/simple|repo1?\.maven|--(?:extra-)?index-url [a-z]",
    "a conflict": r"^(<{7} |>{7} )",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_text_holds(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what], re.M)
    looked_at = [(name, text) for name, text in texts() if name != "tests/test_repository.py"]
    found = [f"{name}: {hit[0]}" for name, text in looked_at for hit in pattern.finditer(text)]
    assert found == []


def test_nothing_generated_is_tracked() -> None:
    generated = re.compile(r"(^|/)(__pycache__|\.venv|\.lab|work|node_modules|dist|build)/|\.(pyc|parquet|jar|log|o|so|whl)$")
    assert [str(path) for path in tracked() if generated.search(str(path.relative_to(ROOT)))] == []


def test_files_are_small() -> None:
    large = {str(path.relative_to(ROOT)): path.stat().st_size for path in tracked() if path.stat().st_size > 600_000}
    assert large == {}


def test_the_catalogue_in_the_readme_is_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAB_ROOT")
    done = subprocess.run([sys.executable, str(ROOT / "scripts" / "catalogue"), "--check"], check=False)
    assert done.returncode == 0, "run scripts/catalogue"


def test_every_declared_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    packs = {"core": project["dependencies"], **project["optional-dependencies"]}
    for pack, needs in packs.items():
        lock = (ROOT / ("requirements.lock" if pack == "core" else f"requirements/{pack}.lock")).read_text()
        for need in needs:
            name = re.split(r"[<>=\[; ]", need)[0].lower()
            assert re.search(rf"^{re.escape(name)}==", lock, re.M), f"{name} is not in the lock of {pack}: run scripts/lock"
        assert "--hash=sha256:" in lock


def test_modules_stay_readable() -> None:
    long = {
        name: text.count("\n")
        for name, text in texts()
        if name.startswith("delab/") and name.endswith(".py") and text.count("\n") > 420
    }
    assert long == {}


def test_every_make_target_of_the_help_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    told = re.findall(r'@echo "make ([a-zA-Z-]+)', makefile)
    for target in told:
        pattern = target.replace("-N", "-%")
        assert re.search(rf"^([\w-]+ )*{re.escape(pattern)}( [\w-]+)*:", makefile, re.M), target


@pytest.mark.parametrize("script", sorted((ROOT / "labs").glob("*/prepare.py")), ids=lambda script: script.parent.name)
def test_a_prepare_stands_alone(script: Path) -> None:
    """`lab start` loads it without the lab's folder on the path, and a lab's template is known by this file alone."""
    assert callable(course.module(script).prepare)
