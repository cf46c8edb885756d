"""Make the environment: .venv with the locked, hash-checked core and the packs asked for. Standard library only.

`.venv/delab.json` says what is installed, by the hashes of the locks. While something is being installed it says `busy`; an
environment that is found busy was interrupted, and is made anew (the clients' caches make that quick).

A pack whose packages do not fit beside the others (APART) gets an environment of its own, `.venv-PACK`, in the same way.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
VENV = ROOT / ".venv"
STAMP = "delab.json"
CORE = "core"
APART = {"flink": ((3, 11), (3, 12))}  # packs with an environment of their own, and the Pythons that there are builds for
OTHERWISE = "If the lab has a starter for Spark too, that one needs none of it."
ROOM = 1_500_000_000  # bytes that an installation needs at the most
VERSION = "0.1.0"


class SetupError(Exception):
    """The environment could not be made: what happened and what to do."""


def lock_of(pack: str) -> Path:
    """The lock file of a pack."""
    path = ROOT / ("requirements.lock" if pack == CORE else f"requirements/{pack}.lock")
    if not path.is_file():
        known = sorted(found.stem for found in (ROOT / "requirements").glob("*.lock"))
        raise SetupError(f"there is no pack {pack!r}; there are {', '.join(known)}")
    return path


def place_of(pack: str) -> Path:
    """The environment that a pack is in."""
    return ROOT / f".venv-{pack}" if pack in APART else VENV


def digest(pack: str) -> str:
    """What a pack's installation depends on: its lock, the Python, and how delab itself is put in place."""
    parts = lock_of(pack).read_bytes(), sys.version.encode(), str(ROOT).encode(), VERSION.encode()
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def installed(place: Path = VENV) -> dict[str, str]:
    """The packs in an environment with their digests; empty if it is not whole."""
    with contextlib.suppress(OSError, ValueError):
        told = json.loads((place / STAMP).read_text())
        if not told.get("busy") and (place / "bin" / "python").exists():
            return dict(told["packs"])
    return {}


def missing(packs: Iterable[str]) -> list[str]:
    """Of the core and these packs, those that are not installed as locked."""
    return [pack for pack in (CORE, *packs) if installed(place_of(pack)).get(pack) != digest(pack)]


def main(packs: list[str]) -> int:
    """Install what is missing; returns an exit code. Nobody sees a traceback for a full disk or a lost network."""
    try:
        if missing(packs):
            with only_one():
                install(missing(packs))
    except SetupError as error:
        print(f"\n{error}", file=sys.stderr)
        return 3
    except OSError as error:
        fix = "see that this folder can be written and has room (df -h .), then repeat"
        print(f"\nThe set-up stopped: {error}.\nWhat to do: {fix}.", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        print("\nstopped; repeat the command to go on", file=sys.stderr)
        return 130
    return 0


@contextlib.contextmanager
def only_one() -> Iterator[None]:
    """Hold the lock of the set-up; a second one waits and says so."""
    with (ROOT / ".setup.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another set-up runs; waiting for it", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def install(packs: list[str]) -> None:
    """Install packs, the core first, telling what happens."""
    if not packs:
        return
    began = time.monotonic()
    print(f"setting up delab: {', '.join(packs)}", file=sys.stderr)
    check_room()
    pythons = {pack: python_for(pack) for pack in packs if pack in APART}
    if together := [pack for pack in packs if pack not in APART]:
        fill(VENV, sys.executable, together)
        put_delab_in_place()
        mark(VENV, {"busy": False, "packs": installed_before(VENV) | {pack: digest(pack) for pack in together}})
    for pack, python in pythons.items():
        fill(place_of(pack), python, [pack])
        mark(place_of(pack), {"busy": False, "packs": {pack: digest(pack)}})
    print(f"set up in {time.monotonic() - began:.0f} s", file=sys.stderr)


def fill(place: Path, python: str, packs: list[str]) -> None:
    """Put packs into an environment, which is left marked as busy."""
    make_environment(place, python)
    mark(place, {"busy": True, "packs": installed(place)})
    locks = [part for pack in packs for part in ("-r", str(lock_of(pack)))]
    run([find_uv(), "pip", "install", "--python", str(place / "bin" / "python"), "--require-hashes", "--compile-bytecode", *locks])


def installed_before(place: Path) -> dict[str, str]:
    """The packs that were in an environment before it was marked as busy."""
    return dict(json.loads((place / STAMP).read_text())["packs"])


def python_for(pack: str) -> str:
    """The Python for a pack's own environment: this one, or one on PATH that there are builds for."""
    oldest, newest = APART[pack]
    names = [f"python3.{minor}" for minor in range(newest[1], oldest[1] - 1, -1)]
    if sys.platform == "linux" and platform.machine() not in ("x86_64", "amd64"):
        raise SetupError(f"The packages of {pack} have no build for Linux on {platform.machine()}.\n{OTHERWISE}")
    if oldest <= sys.version_info[:2] <= newest:
        return sys.executable
    if found := next((place for name in names if (place := shutil.which(name)) and version_of(place)), None):
        return found
    mine, lacking = f"{sys.version_info[0]}.{sys.version_info[1]}", " and ".join(names)
    raise SetupError(
        f"The packages of {pack} have no build for Python {mine}; {lacking} are not on PATH.\n"
        f"What to do: install {names[0]} beside this one and repeat (nothing else changes).\n{OTHERWISE}"
    )


def check_room() -> None:
    """Enough room on the disk, before anything is begun."""
    free = shutil.disk_usage(ROOT).free
    if free < ROOM:
        needs = f"The set-up needs {ROOM / 1e9:.1f} GB of free disk; {free / 1e9:.1f} GB are free."
        raise SetupError(f"{needs}\nWhat to do: free some space, then repeat.")


def make_environment(place: Path, python: str) -> None:
    """A virtual environment of a Python; one that was interrupted, is broken, or is another Python's is made anew."""
    if installed(place) and version_of(str(place / "bin" / "python")) == version_of(python):
        return
    if place.exists():
        shutil.rmtree(place)
    if python == sys.executable:
        venv.EnvBuilder(symlinks=True, with_pip=False).create(place)
    else:
        run([python, "-m", "venv", "--without-pip", str(place)])
    mark(place, {"busy": False, "packs": {}})


def version_of(python: str) -> str:
    """The whole version that a Python says it is; empty if it does not work."""
    code = "import sys; print(sys.version)"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def mark(place: Path, content: dict[str, object]) -> None:
    """Write an environment's stamp in one step."""
    draft = place / f"{STAMP}.new"
    draft.write_text(json.dumps(content))
    draft.replace(place / STAMP)


def find_uv() -> str:
    """The installer: uv from PATH, or one that pip installs into the environment by its own lock."""
    ours = VENV / "bin" / "uv"
    if ours.exists():
        return str(ours)
    if found := shutil.which("uv"):
        return found
    run([*find_pip(), "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", str(lock_of("uv"))])
    return str(ours)


def find_pip() -> list[str]:
    """A pip that installs into the environment: the environment's own, or this Python's."""
    python = str(VENV / "bin" / "python")
    if importable("ensurepip"):
        run([python, "-m", "ensurepip", "--default-pip"], quiet=True)
        return [python, "-m", "pip"]
    if importable("pip"):
        return [sys.executable, "-m", "pip", "--python", python]
    raise SetupError(
        f"{sys.executable} has neither pip nor ensurepip, so nothing can be installed.\n"
        "What to do: Debian, Ubuntu: apt install python3-venv; or install uv and have it on PATH; then repeat."
    )


def importable(module: str) -> bool:
    """Whether this Python has a module."""
    return subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True, check=False).returncode == 0


def run(command: list[str], *, quiet: bool = False) -> None:
    """Run an installer, its progress on the terminal. Raises SetupError with the usual causes if it fails."""
    done = subprocess.run(command, env=environment(), stdout=subprocess.DEVNULL if quiet else None, check=False)
    if done.returncode:
        raise SetupError(
            f"The installation did not finish ({Path(command[0]).name} ended with code {done.returncode}; its words are above).\n"
            "What to do, by the usual causes:\n"
            "  no network, or a proxy: check it, set HTTPS_PROXY if there is one\n"
            "  a certificate that is not trusted (a proxy with a CA of its own): set SSL_CERT_FILE to the bundle with that CA\n"
            "  an index of your own (pip.conf, PIP_INDEX_URL) that lacks a package: unset it for this command\n"
            "  a full disk: df -h .\n"
            "Then repeat: what is installed already is kept."
        )


def environment() -> dict[str, str]:
    """The person's variables, with what they told pip (certificates, index) told to uv too, and the other way round."""
    told = dict(os.environ)
    if bundle := told.get("SSL_CERT_FILE"):
        told.setdefault("PIP_CERT", bundle)
    names = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "find-links": "UV_FIND_LINKS"}
    for option, name in names.items():
        value = told.get("PIP_" + option.upper().replace("-", "_")) or configured(option)
        if value and name not in told:
            told[name] = value
    return told


def configured(option: str) -> str:
    """A setting of the person's pip.conf."""
    command = [sys.executable, "-m", "pip", "config", "get", f"global.{option}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def put_delab_in_place() -> None:
    """Make `import delab`, `.venv/bin/lab` and the pytest plugin work from this checkout, without building anything."""
    packages = VENV / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    (packages / "delab.pth").write_text(f"{ROOT}\n")
    about = packages / f"delab-{VERSION}.dist-info"
    about.mkdir(exist_ok=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: delab\nVersion: {VERSION}\n")
    (about / "entry_points.txt").write_text(
        "[console_scripts]\nlab = delab.__main__:main\n\n[pytest11]\ndelab = delab.checks.plugin\n"
    )
    (about / "RECORD").write_text("")
    (about / "INSTALLER").write_text("delab\n")
    script = VENV / "bin" / "lab"
    script.write_text(f"#!{VENV / 'bin' / 'python'}\nimport sys\n\nfrom delab.__main__ import main\n\nsys.exit(main())\n")
    script.chmod(0o755)
    subprocess.run([str(VENV / "bin" / "python"), "-m", "compileall", "-q", str(ROOT / "delab")], check=False)
