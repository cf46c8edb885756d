"""Data sets made from a seed: `dataset("retail")`. The folders of `datasets/` that hold a schema are the registry."""

import importlib
from functools import cache
from typing import Any

from delab.data.arrow import ArrowTable
from delab.data.model import FOLDER, Answer, Dataset, Recipe, recipe
from delab.errors import LabError

__all__ = ["Answer", "Dataset", "Recipe", "answer_key", "dataset", "names", "recipe"]


def names() -> list[str]:
    """The data sets that there are."""
    return sorted(path.parent.name for path in FOLDER.glob("*/schema.toml"))


@cache
def dataset(name: str) -> Dataset:
    """The data set of that name. Raises LabError that lists what there is."""
    if name not in names():
        raise LabError(f"there is no data set {name!r}", f"there are: {', '.join(names())}")
    found = importlib.import_module(f"delab.data.{name}").DATASET
    assert isinstance(found, Dataset)
    return found


def answer_key(name: str, answer: str, *, scale: float = 1, seed: int = 1, **parameters: Any) -> ArrowTable:
    """One truth of a data set, whatever faults were planted in it. Raises LabError that lists the answers that there are."""
    data = dataset(name)
    known = data.answers()
    if answer not in known:
        raise LabError(f"the answer key of {name} has no {answer!r}", f"it has: {', '.join(known)}")
    return known[answer].compute(data.recipe(scale, seed), **{**known[answer].parameters, **parameters})
