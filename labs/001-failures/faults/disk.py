"""What shim.c has recorded, and what a disk holds after it: now, and after a power cut."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from pathlib import Path

COUNTED = frozenset({"open", "none", "read", "write", "truncate", "fsync", "rename", "unlink"})
Image = dict[str, bytes]  # the files of a folder by their names


@dataclass(frozen=True)
class Call:
    """One record: a call and its numbers (see shim.c), or a note (`term`, `unseen`, `unsafe`, `folder`)."""

    name: str
    a: int = 0
    b: int = 0
    c: int = 0
    data: bytes = b""

    @property
    def text(self) -> str:
        """The path or name that it holds."""
        return self.data.decode(errors="replace")


def read(path: Path) -> list[Call]:
    """The calls of a record; one that a kill cut off is left out."""
    content, place, calls = path.read_bytes() if path.exists() else b"", 0, []
    while (end := content.find(b"\n", place)) >= 0:
        name, *numbers = content[place:end].decode(errors="replace").split(" ")
        a, b, c, size = map(int, numbers)
        if len(content) < end + 1 + size + 1:
            break
        calls.append(Call(name, a, b, c, content[end + 1 : end + 1 + size]))
        place = end + 1 + size + 1
    return calls


@dataclass
class File:
    """One file: what it holds, what of that is surely on disk, and how many lines were written to it since the start."""

    now: bytearray = field(default_factory=bytearray)
    durable: bytes = b""
    lines: int = 0

    def write(self, at: int, data: bytes) -> None:
        """Put bytes at an offset; a gap becomes zeros."""
        self.now.extend(bytes(max(0, at - len(self.now))))
        self.now[at : at + len(data)] = data
        self.lines += data.count(b"\n")

    def truncate(self, length: int) -> None:
        """Cut it or fill it up."""
        self.now = self.now[:length].ljust(length, b"\0")

    def survivors(self) -> tuple[bytes, bytes, bytes]:
        """What a power cut can leave: what was synced, all, or half of what was not."""
        now = bytes(self.now)
        same = len(self.durable)
        if not now.startswith(self.durable):
            pairs = zip(self.durable, now, strict=False)
            same = next((place for place, (old, new) in enumerate(pairs) if old != new), len(now))
        half = same + (len(now) - same) // 2
        return self.durable, now, now[:half] + self.durable[half:]


@cache
def name_in(folder: Path, base: str, path: str) -> str:
    """A path, seen from a folder below `folder`, as a name in `folder`; links of its parents are followed."""
    whole = Path(os.path.normpath(folder / base / path))
    return os.path.relpath(whole.parent.resolve() / whole.name, folder)


class Disk:
    """A folder of files. Names change at once; that a rename or an unlink is on disk is sure with the next fsync of anything,
    as on a journaling file system. A file that was created stays created, maybe empty."""

    def __init__(self, folder: Path, before: Mapping[str, bytes]) -> None:
        self.folder = folder.resolve()
        self.names = {name: File(bytearray(content), content) for name, content in before.items()}
        self.sure = dict(self.names)  # the names as they are on disk
        self.open: dict[int, tuple[str, File | None, bool]] = {}  # by descriptor: name, file, synchronous
        self.base = -1  # the folder of the next openat

    def name(self, path: str, base: int = -1) -> str:
        """A path as a name in the folder; other places begin with `..`."""
        return name_in(self.folder, self.open[base][0] if base in self.open else ".", path)

    def apply(self, call: Call) -> None:
        """Do what a call did."""
        if act := getattr(self, f"do_{call.name}", None):
            act(call)

    def do_folder(self, call: Call) -> None:
        self.base = call.a

    def do_open(self, call: Call) -> None:
        name, self.base = self.name(call.text, self.base), -1
        folder = name not in self.names and not call.b & os.O_CREAT and (self.folder / name).is_dir()
        if not folder and name not in self.names:
            self.names[name] = File()
            self.sure.setdefault(name, self.names[name])
        file = None if folder else self.names[name]
        if file and call.b & os.O_TRUNC:
            file.truncate(0)
        self.open[call.a] = (name, file, bool(call.b & (os.O_SYNC | os.O_DSYNC)))

    def do_write(self, call: Call) -> None:
        _, file, synchronous = self.open.get(call.a, ("", None, False))
        if file and call.c > 0:
            file.write(call.b, call.data)
            if synchronous:
                file.durable = bytes(file.now)

    def do_truncate(self, call: Call) -> None:
        file = self.names.get(self.name(call.text)) if call.a < 0 else self.open.get(call.a, ("", None, False))[1]
        if file:
            file.truncate(call.b)

    def do_fsync(self, call: Call) -> None:
        synced = [self.open[call.a][1]] if call.a in self.open else list(self.names.values())
        for file in synced:
            if file:
                file.durable = bytes(file.now)
        self.sure = dict(self.names)

    def do_rename(self, call: Call) -> None:
        old, new = call.text.split("\0")
        old, new = self.name(old, call.a), self.name(new, call.b)
        if old in self.names:
            self.names[new] = self.names.pop(old)

    def do_unlink(self, call: Call) -> None:
        self.names.pop(self.name(call.text), None)

    def content(self) -> Image:
        """What the folder holds for programs."""
        return {name: bytes(file.now) for name, file in self.names.items()}

    def after_power_cut(self, output: str) -> Iterator[tuple[str, Image]]:
        """The different states that a power cut can leave, each with its description."""
        ways, seen = ("what was synced", "all", "half"), []
        left = {id(file): file.survivors() for file in (*self.names.values(), *self.sure.values())}
        for (sure, names), (mine, others) in product(((0, self.names), (1, self.sure)), product(range(3), repeat=2)):
            image = {name: left[id(file)][mine if name == output else others] for name, file in names.items()}
            if image not in seen:
                seen.append(image)
                renames = ", the last rename lost" if sure and self.names != self.sure else ""
                yield f"of the output {ways[mine]}, of other files {ways[others]}{renames}", image


def play(folder: Path, before: Mapping[str, bytes], calls: list[Call]) -> Disk:
    """The disk after these calls."""
    disk = Disk(folder, before)
    for call in calls:
        disk.apply(call)
    return disk
