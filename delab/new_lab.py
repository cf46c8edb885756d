"""`lab new-lab`: lay out a lab's folder from the skeleton; the audit accepts it once what is marked has been filled in."""

import re
import shutil
import unicodedata
from pathlib import Path

import jinja2

from delab import paths
from delab.errors import LabError

SKELETON = Path(__file__).parent / "skeleton"


def create(number: int, title: str) -> Path:
    """Make `labs/NNN-slug/`; returns it. Raises LabError if the number is taken or out of range."""
    if not 1 <= number <= 999:
        raise LabError(f"{number} is no lab number", "take one from 1 to 999")
    if taken := [path.name for path in paths.labs().glob(f"{number:03d}-*")]:
        raise LabError(f"lab {number} is there: {taken[0]}", "take another number, or remove that folder")
    folder = paths.labs() / f"{number:03d}-{slug(title)}"
    draft = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    values = {"number": number, "title": title, "slug": folder.name}
    for source in sorted(SKELETON.rglob("*")):
        if source.is_file() and "__pycache__" not in source.parts:
            fill(source, draft / source.relative_to(SKELETON), values)
    draft.rename(folder)
    return folder


def fill(source: Path, target: Path, values: dict[str, object]) -> None:
    """Render one file of the skeleton; `x.py.jinja` becomes `x.py`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    text = jinja2.Template(source.read_text(), keep_trailing_newline=True, undefined=jinja2.StrictUndefined).render(values)
    target.with_name(target.name.removesuffix(".jinja")).write_text(text)


def slug(title: str) -> str:
    """`Replication lag` → `replication-lag`."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "lab"
