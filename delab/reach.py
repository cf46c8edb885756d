"""Programs where services can read them: as they are, or a copy for the service user, who cannot read root's private folders."""

import hashlib
import os
from pathlib import Path

from delab import files, paths


def for_services(folder: Path, *beside: Path) -> Path:
    """The folder itself if the user that services run as can get there, else a copy that follows its changes.

    What lies `beside` it is copied along, if it is there, so that the folder finds it by the same relative path.
    """
    if not paths.service_user() or paths.reachable(folder):
        return folder
    base = Path(os.path.commonpath([part.parent for part in (folder, *beside)]))
    key = hashlib.sha256(f"{folder} {folder.stat().st_mtime_ns}".encode()).hexdigest()[:12]
    target = paths.runtime() / f"programs-{key}"
    with files.locked(paths.lock(target.name)):
        if not (target / "complete").exists():
            for part in (folder, *beside):
                if part.exists():
                    (target / part.relative_to(base)).mkdir(mode=0o755, parents=True, exist_ok=True)
                    files.copy_tree(part, target / part.relative_to(base))
            target.chmod(0o755)
            (target / "complete").touch()
    return target / folder.relative_to(base)
