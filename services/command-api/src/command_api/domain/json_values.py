"""JSON as clients mean it: in Python alone `True == 1`."""

from collections.abc import Mapping


def same_json(one: object, other: object) -> bool:
    """Whether two JSON values are the same; the order of keys says nothing."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same_json(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same_json, one, other))
    return isinstance(one, bool) is isinstance(other, bool) and one == other
