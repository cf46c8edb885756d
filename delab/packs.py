"""Placeholder until the bootstrap brings it."""


def ensure(packs, console):
    pass
