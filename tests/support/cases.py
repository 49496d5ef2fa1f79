"""Parameters of tests, written as tables."""

from collections.abc import Sequence


def each(**values: Sequence[object]) -> list[tuple[str, object]]:
    """(field, value) for every value of every field."""
    return [(field, value) for field, all_ in values.items() for value in all_]
