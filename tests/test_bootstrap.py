"""The set-up on a bare machine: real environments, from the caches of the clients."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
KEPT = ("PATH", "SSL_CERT_FILE", "PIP_INDEX_URL", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "UV_CACHE_DIR", "LANG")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the set-up needs, with small locks: one package as the core, another as a pack."""
    target = tmp_path / "delab-checkout"
    for name in ("scripts", "delab"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    (target / "requirements").mkdir()
    shutil.copy(ROOT / "requirements" / "uv.lock", target / "requirements" / "uv.lock")
    (target / "requirements.lock").write_text(part_of(ROOT / "requirements.lock", "six"))
    (target / "requirements" / "extra.lock").write_text(part_of(ROOT / "requirements.lock", "iniconfig"))
    return target


def part_of(lock: Path, name: str) -> str:
    """One package of a lock, with its hashes."""
    lines = lock.read_text().splitlines(keepends=True)
    start = next(place for place, line in enumerate(lines) if line.startswith(f"{name}=="))
    end = next((place for place in range(start + 1, len(lines)) if not lines[place].startswith(" ")), len(lines))
    return "".join(lines[start:end])


def bootstrap(checkout: Path, *packs: str, home: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the set-up with a home that is empty and few variables."""
    home = home or checkout.parent / "home"
    home.mkdir(exist_ok=True)
    cache = {"UV_CACHE_DIR": str(checkout.parent / "cache")}
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    command = [sys.executable, str(checkout / "scripts" / "bootstrap"), *packs]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**cache, **kept, "HOME": str(home), **variables}, timeout=280
    )


def imports(checkout: Path, module: str) -> bool:
    """Whether the new environment has a module."""
    python = checkout / ".venv" / "bin" / "python"
    return subprocess.run([str(python), "-c", f"import {module}"], check=False, capture_output=True).returncode == 0


def test_core_first_then_a_pack_and_nothing_twice(checkout: Path) -> None:
    first = bootstrap(checkout)
    assert first.returncode == 0, first.stderr
    assert imports(checkout, "six")
    assert imports(checkout, "delab.errors")
    assert not imports(checkout, "iniconfig")
    assert (checkout / ".venv" / "bin" / "lab").exists()
    second = bootstrap(checkout)
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert bootstrap(checkout, "extra").returncode == 0
    assert imports(checkout, "iniconfig")


def test_an_interrupted_set_up_is_made_whole(checkout: Path) -> None:
    assert bootstrap(checkout).returncode == 0
    stamp = checkout / ".venv" / "delab.json"
    stamp.write_text(json.dumps({**json.loads(stamp.read_text()), "busy": True}))
    shutil.rmtree(next((checkout / ".venv").rglob("six-*.dist-info")))
    assert bootstrap(checkout).returncode == 0
    assert imports(checkout, "six")
    assert list((checkout / ".venv").rglob("six-*.dist-info"))


def test_killed_at_some_moment_the_next_run_repairs(checkout: Path) -> None:
    home = checkout.parent / "home"
    home.mkdir()
    for seconds in (0.3, 1.0):
        command = [sys.executable, str(checkout / "scripts" / "bootstrap")]
        child = subprocess.Popen(command, env={**os.environ, "HOME": str(home)}, stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(seconds)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    assert bootstrap(checkout).returncode == 0
    assert imports(checkout, "six")


def test_a_wrong_hash_is_refused(checkout: Path) -> None:
    lock = checkout / "requirements.lock"
    text = lock.read_text()
    head = text.index("sha256:") + 7
    lock.write_text("six==1.17.0 \\\n    --hash=sha256:" + "0" * 64 + "\n" if head else text)
    done = bootstrap(checkout)
    assert done.returncode == 3
    assert "The installation did not finish" in done.stderr
    assert "Traceback" not in done.stderr
    assert not imports(checkout, "six")


def test_an_unknown_pack_is_named(checkout: Path) -> None:
    done = bootstrap(checkout, "nonsense")
    assert done.returncode == 3
    assert "there is no pack 'nonsense'; there are extra, uv" in done.stderr


def test_a_full_disk_is_told_before_anything_begins(checkout: Path) -> None:
    text = (checkout / "delab" / "bootstrap.py").read_text()
    (checkout / "delab" / "bootstrap.py").write_text(text.replace("ROOM = 1_500_000_000", "ROOM = 10**18"))
    done = bootstrap(checkout)
    assert done.returncode == 3
    assert "free some space, then repeat" in done.stderr
    assert not (checkout / ".venv").exists()


def test_two_at_once_do_not_disturb_each_other(checkout: Path) -> None:
    home = checkout.parent / "home"
    home.mkdir()
    command = [sys.executable, str(checkout / "scripts" / "bootstrap")]
    children = [subprocess.Popen(command, env={**os.environ, "HOME": str(home)}, stderr=subprocess.DEVNULL) for _ in range(2)]
    assert [child.wait(280) for child in children] == [0, 0]
    assert imports(checkout, "six")


def test_an_old_python_is_told_what_is_needed(checkout: Path) -> None:
    text = (checkout / "scripts" / "bootstrap").read_text()
    (checkout / "scripts" / "bootstrap").write_text(
        text.replace("OLDEST, NEWEST = (3, 11), (3, 13)", "OLDEST, NEWEST = (3, 98), (3, 99)")
    )
    done = bootstrap(checkout)
    assert done.returncode == 1
    assert "delab needs Python 3.11, 3.12 or 3.13" in done.stderr


def in_its_own(checkout: Path, module: str) -> bool:
    """Whether the environment of the pack that is apart has a module."""
    python = checkout / ".venv-flink" / "bin" / "python"
    return subprocess.run([str(python), "-c", f"import {module}"], check=False, capture_output=True).returncode == 0


def test_a_pack_that_is_apart_has_an_environment_of_its_own(checkout: Path) -> None:
    (checkout / "requirements" / "flink.lock").write_text(part_of(ROOT / "requirements.lock", "iniconfig"))
    first = bootstrap(checkout, "flink")
    assert first.returncode == 0, first.stderr
    assert imports(checkout, "six")
    assert not imports(checkout, "iniconfig")
    assert in_its_own(checkout, "iniconfig")
    assert not in_its_own(checkout, "six")
    again = bootstrap(checkout, "flink")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert bootstrap(checkout, "extra").returncode == 0  # it leaves the other environment alone
    assert imports(checkout, "iniconfig")
    assert in_its_own(checkout, "iniconfig")


def test_an_interrupted_pack_that_is_apart_is_made_whole_by_itself(checkout: Path) -> None:
    (checkout / "requirements" / "flink.lock").write_text(part_of(ROOT / "requirements.lock", "iniconfig"))
    assert bootstrap(checkout, "flink").returncode == 0
    stamp = checkout / ".venv-flink" / "delab.json"
    stamp.write_text(json.dumps({"busy": True, "packs": {}}))
    shutil.rmtree(next((checkout / ".venv-flink").rglob("iniconfig-*.dist-info")))
    done = bootstrap(checkout, "flink")
    assert done.returncode == 0, done.stderr
    assert "setting up delab: flink\n" in done.stderr
    assert list((checkout / ".venv-flink").rglob("iniconfig-*.dist-info"))
    assert imports(checkout, "six")


def test_a_python_without_builds_of_a_pack_is_told_what_to_do(checkout: Path) -> None:
    (checkout / "requirements" / "flink.lock").write_text(part_of(ROOT / "requirements.lock", "iniconfig"))
    text = (checkout / "delab" / "bootstrap.py").read_text()
    (checkout / "delab" / "bootstrap.py").write_text(text.replace('"flink": ((3, 11), (3, 12))', '"flink": ((3, 97), (3, 98))'))
    done = bootstrap(checkout, "flink")
    assert done.returncode == 3
    assert "python3.98 and python3.97 are not on PATH" in done.stderr
    assert "starter for Spark" in done.stderr
    assert not (checkout / ".venv-flink").exists()
    assert bootstrap(checkout).returncode == 0  # and the rest is not held up
