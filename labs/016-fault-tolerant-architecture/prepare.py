"""Nothing to load: the learner's `create` makes the tables."""


def prepare(stack, seed):
    """The servers are empty."""
