"""Generated passwords: one set a checkout, readable by its owner alone."""

import json
import os
import secrets
from functools import cache
from pathlib import Path

from delab import files, paths


@cache
def password(role: str) -> str:
    """The password of a role, made on first use."""
    place = paths.state() / "secrets.json"
    with files.locked(paths.state() / "secrets.lock"):
        known = json.loads(place.read_text()) if place.exists() else {}
        if role not in known:
            known[role] = secrets.token_urlsafe(18)
            files.write_atomic(place, json.dumps(known).encode(), 0o600)
    return str(known[role])


def give_to_services(path: Path) -> None:
    """Hand a file to the user that services run as."""
    if user := paths.service_user():
        os.chown(path, *user)
