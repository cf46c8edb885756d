"""The kinds of service, one module each; `kind = "postgres"` in a lab.toml means `delab.services.postgres.Service`."""

import importlib
from collections.abc import Mapping
from typing import Any

import msgspec

from delab.errors import LabError
from delab.services.base import Service

__all__ = ["Service", "make"]


def make(name: str, options: Mapping[str, Any]) -> Service:
    """The service `name` from its table in lab.toml. Raises LabError for an unknown kind or option."""
    rest = dict(options)
    kind = str(rest.pop("kind", name))
    try:
        module = importlib.import_module(f"delab.services.{kind}")
    except ModuleNotFoundError as error:
        raise LabError(f"no kind of service is called {kind!r}", "the kinds are the files in delab/services/") from error
    try:
        return msgspec.convert({"name": name, **rest}, module.Service)  # type: ignore[no-any-return]
    except msgspec.ValidationError as error:
        raise LabError(f"[services.{name}]: {error}", f"see the fields of delab/services/{kind}.py") from error
