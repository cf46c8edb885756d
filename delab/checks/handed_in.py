"""The check that every lab begins with: the files that the task asks for are there and can be read."""

from pathlib import Path

from delab.checks.failing import expect, fail
from delab.checks.work import LARGEST, changed, chosen, counts
from delab.lab import Check, Lab

NAME = "files"
MOST = 300  # files in a folder that is handed in
REQUIREMENT = "Every file that the task asks for is there, not empty, and readable."
CHECK = Check(name=NAME, why="Nothing else can be judged before the files are whole.", look="the task's list of files")


def check_files(lab: Lab, folder: Path) -> None:
    """Look at each file that is handed in. Fails with the name of the first that is not whole."""
    for name in lab.about.files:
        check_choice(lab, folder, name)
        check = check_folder if name.endswith("/") else check_file
        check(lab, folder / chosen(lab, folder, name), name.replace("|", " or "))


def check_choice(lab: Lab, folder: Path, name: str) -> None:
    """Of several names for one file, at most one has been worked on."""
    mine = changed(lab, folder, name)
    expect(
        len(mine) < 2,
        expected=f"one of {name.replace('|', ', ')} holds your work; the other is as it came, or deleted",
        seen=f"{' and '.join(mine)} have both been changed: which one is to be judged?",
        look=f"delete the one that you do not hand in (`lab start {lab.number}` gives its starter back)",
        command=f"ls -la {folder}",
    )


def check_folder(lab: Lab, path: Path, name: str) -> None:
    """A folder, such as `models/`: there, and each file in it whole."""
    where = f"ls -la {path.parent}"
    fresh = f"`lab start {lab.number}` gives back a starter file that is missing"
    expect(path.is_dir(), expected=f"the folder {name} is there", seen="there is no such folder", look=fresh, command=where)
    found = [file for file in sorted(path.rglob("*")) if file.is_file() and counts(file.relative_to(path))]
    expect(found, expected=f"{name} holds your work", seen="the folder is empty", look=fresh, command=where)
    expect(len(found) <= MOST, expected=f"at most {MOST} files in {name}", seen=f"{len(found)} files", command=where)
    for file in found:
        check_file(lab, file, str(file.relative_to(path.parent)))


def check_file(lab: Lab, path: Path, name: str) -> None:
    """One file: there, a file, small, not empty, UTF-8, and Python that parses."""
    where = f"ls -la {path.parent}"
    fresh = f"`lab start {lab.number}` gives back a starter file that is missing"
    expect(path.is_file(), expected=f"{name} is there", seen="there is no such file", look=fresh, command=where)
    size = path.stat().st_size
    expect(size <= LARGEST, expected=f"{name} is a text of at most {LARGEST:,} bytes", seen=f"it has {size:,} bytes", command=where)
    expect(size > 0, expected=f"{name} holds your work", seen="the file is empty", look=fresh, command=where)
    check_text(path)


def check_text(path: Path) -> None:
    """Text that can be decoded, and Python that compiles."""
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        fail(expected=f"{path.name} is UTF-8 text", seen=f"byte {error.start} is not", command=f"file {path}")
    if path.suffix == ".py":
        check_python(path, text)


def check_python(path: Path, text: str) -> None:
    """Python that the parser accepts."""
    try:
        compile(text, path.name, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        source = (getattr(error, "text", None) or "").rstrip()
        seen = f"{error.__class__.__name__} in line {line}: {getattr(error, 'msg', error)}\n  {source.strip()}"
        fail(
            expected=f"{path.name} is valid Python",
            seen=seen,
            look=f"{path.name}, line {line}",
            command=f"python -m py_compile {path}",
        )
