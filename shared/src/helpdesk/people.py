"""How a person's one name becomes the two that clients show (contract §4: split at the first space).

Spaces around a name are kept in it and divide nothing: no name that is not blank has a blank first name."""


def first_name(name: str) -> str:
    """Everything before the first space: ``Ada Lovelace`` → ``Ada``."""
    return name.strip().partition(" ")[0]


def last_name(name: str) -> str:
    """Everything after the first space, empty for a single word: ``Ada Lovelace`` → ``Lovelace``."""
    return name.strip().partition(" ")[2]
