"""The images for arm64: what the locks name is there for it. That they are built and run, the workflow's arm64 runner shows."""

import re
import subprocess
import zipfile
from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path

import pytest

from delab import bootstrap

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text().replace("\\\n", " ")
PICKED = re.findall(r"\./pick (\w+) ([^>]+)>", DOCKERFILE)
WHOLE = re.findall(r"cp requirements/(\w+)\.lock wanted", DOCKERFILE)
BUILT = {"pyspark"}  # has no wheels; it is Python and jars, for every machine the same archive
OPTIONS = ("--dry-run", "--target", "none", "--only-binary", ":all:", "--no-deps", "--require-hashes")
ARM64 = ("--python-platform", "aarch64-unknown-linux-gnu", "--python-version", "3.13")


def picked(lock: str) -> str:
    """A lock's lines, or those of them that the Dockerfile picks."""
    if lock in WHOLE:
        return (ROOT / "requirements" / f"{lock}.lock").read_text()
    names = [name for one, names in PICKED if one == lock for name in names.split() if name not in BUILT]
    return subprocess.run([ROOT / "docker" / "pick", lock, *names], cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("lock", sorted({*WHOLE, *(lock for lock, _ in PICKED)}))
def test_all_packages_of_an_image_have_wheels_for_it(lock: str, tmp_path: Path) -> None:
    (tmp_path / "wanted").write_text(picked(lock))
    command = [bootstrap.find_uv(), "pip", "install", *OPTIONS, *ARM64, "-r", "wanted"]
    asked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert asked.returncode == 0, asked.stderr
    assert "Would install" in asked.stderr


@pytest.mark.skipif(not find_spec("pyspark"), reason="the pack spark is not installed")
def test_what_javas_libraries_map_is_there_for_it() -> None:
    import pyspark

    mapped = defaultdict[str, list[str]](list)
    for jar in (Path(pyspark.__file__).parent / "jars").glob("*.jar"):
        library = re.sub(r"-(linux|osx|windows)-.*", "", jar.stem)  # some come in a jar for each machine
        if library.startswith("jline"):
            continue  # draws the prompt of Spark's shells, in Java alone where it finds no library
        mapped[library] += [name.lower() for name in zipfile.ZipFile(jar).namelist() if name.endswith(".so")]
    for_linux = {library: names for library, names in mapped.items() if "linux" in str(names)}
    assert for_linux
    assert [library for library, names in for_linux.items() if not re.search("aarch_?64", str(names))] == []
