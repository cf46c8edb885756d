"""Make the environment: .venv with the locked, hash-checked core and the packs asked for. Standard library only.

`.venv/delab.json` says what is installed, by the hashes of the locks. While something is being installed it says `busy`; an
environment that is found busy was interrupted, and is made anew (the clients' caches make that quick).
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "delab.json"
CORE = "core"
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


def digest(pack: str) -> str:
    """What a pack's installation depends on: its lock, the Python, and how delab itself is put in place."""
    parts = lock_of(pack).read_bytes(), sys.version.encode(), str(ROOT).encode(), VERSION.encode()
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def installed() -> dict[str, str]:
    """The packs in the environment with their digests; empty if it is not whole."""
    with contextlib.suppress(OSError, ValueError):
        told = json.loads(STAMP.read_text())
        if not told.get("busy") and (VENV / "bin" / "python").exists():
            return dict(told["packs"])
    return {}


def missing(packs: Iterable[str]) -> list[str]:
    """Of the core and these packs, those that are not installed as locked."""
    there = installed()
    return [pack for pack in (CORE, *packs) if there.get(pack) != digest(pack)]


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
    make_environment()
    there = installed()
    mark({"busy": True, "packs": there})
    locks = [part for pack in packs for part in ("-r", str(lock_of(pack)))]
    run([find_uv(), "pip", "install", "--python", str(VENV / "bin" / "python"), "--require-hashes", "--compile-bytecode", *locks])
    put_delab_in_place()
    mark({"busy": False, "packs": there | {pack: digest(pack) for pack in packs}})
    print(f"set up in {time.monotonic() - began:.0f} s", file=sys.stderr)


def check_room() -> None:
    """Enough room on the disk, before anything is begun."""
    free = shutil.disk_usage(ROOT).free
    if free < ROOM:
        needs = f"The set-up needs {ROOM / 1e9:.1f} GB of free disk; {free / 1e9:.1f} GB are free."
        raise SetupError(f"{needs}\nWhat to do: free some space, then repeat.")


def make_environment() -> None:
    """A virtual environment of this Python; one that was interrupted, is broken, or is another Python's is made anew."""
    if installed() and runs(VENV / "bin" / "python"):
        return
    if VENV.exists():
        shutil.rmtree(VENV)
    venv.EnvBuilder(symlinks=True, with_pip=False).create(VENV)
    mark({"busy": False, "packs": {}})


def runs(python: Path) -> bool:
    """Whether an environment's Python works and is of this version."""
    code = "import sys; print(sys.version)"
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=False)
    return done.returncode == 0 and done.stdout.strip() == sys.version.strip()


def mark(content: dict[str, object]) -> None:
    """Write the stamp in one step."""
    draft = STAMP.with_suffix(".new")
    draft.write_text(json.dumps(content))
    draft.replace(STAMP)


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
