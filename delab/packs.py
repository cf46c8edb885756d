"""Placeholder until the bootstrap brings it."""


def ensure(packs: object, console: object) -> None:
    pass
