"""How a person's one name becomes the two that clients show (contract §4: split at the first space)."""


def first_name(name: str) -> str:
    """Everything before the first space: ``Ada Lovelace`` → ``Ada``."""
    return name.partition(" ")[0]


def last_name(name: str) -> str:
    """Everything after the first space, empty for a single word: ``Ada Lovelace`` → ``Lovelace``."""
    return name.partition(" ")[2]
