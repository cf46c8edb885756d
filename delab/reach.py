"""Programs where services can read them: as they are, or a copy for the service user, who cannot read root's private folders."""

import hashlib
from pathlib import Path

from delab import files, paths


def for_services(folder: Path) -> Path:
    """The folder itself if the user that services run as can get there, else a copy that follows its changes."""
    if not paths.service_user() or paths.reachable(folder):
        return folder
    key = hashlib.sha256(f"{folder} {folder.stat().st_mtime_ns}".encode()).hexdigest()[:12]
    target = paths.runtime() / f"programs-{key}"
    with files.locked(paths.lock(target.name)):
        if not (target / "complete").exists():
            (target / folder.name).mkdir(mode=0o755, parents=True, exist_ok=True)
            target.chmod(0o755)
            files.copy_tree(folder, target / folder.name)
            (target / "complete").touch()
    return target / folder.name
