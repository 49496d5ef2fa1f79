"""The tree is the architecture: the same names in every service, small files, each with its sentence."""

import ast
import re
import sys
from pathlib import Path

import pytest

from architecture import tree

NAMES = ("settings.py", "app.py", "__main__.py", "domain", "migrations")
REASONS: dict[tuple[str, str], str] = {}
LONGEST = 450
LONGER_AS_TESTS = 650
# Spelled so that the pattern does not find itself.
REGISTRIES = re.compile(
    r"py[p]i\.org|pythonhost[e]d|npmj[s]\.(org|com)|proxy\.gol[a]ng|mav[e]n\.(apache\.)?org|crates\.i[o]", re.IGNORECASE
)
HOMES = re.compile(r"(?<![\w.])/(?:home|Users)/\w+|(?<![\w.])/r[o]ot/\w")


@pytest.mark.parametrize("service", tree.SERVICES)
def test_every_service_has_the_same_names(service: str) -> None:
    missing = [name for name in NAMES if not (tree.source(service) / name).exists() and (service, name) not in REASONS]
    assert not missing
    doors = [name for name in ("routes.py", "routes", "subscribers.py") if (tree.source(service) / name).exists()]
    assert doors, "a service without a door"


def test_no_reason_outlives_what_it_excuses() -> None:
    assert not [excuse for excuse in REASONS if (tree.source(excuse[0]) / excuse[1]).exists()]


def test_no_file_is_too_long() -> None:
    lengths = {path: tree.text(path).count("\n") for path in tree.named(".py", ".sql", ".md", "Caddyfile")}
    limits = {path: LONGER_AS_TESTS if tree.short(path).startswith("tests/") else LONGEST for path in lengths}
    assert not [tree.short(path) for path, length in lengths.items() if length > limits[path]]


def test_every_module_says_what_it_is() -> None:
    silent = [
        tree.short(path)
        for path in tree.named(".py")
        if tree.text(path).strip() and not (tree.syntax(path).body and _is_docstring(path))
    ]
    assert not silent


def _is_docstring(path: Path) -> bool:
    return ast.get_docstring(tree.syntax(path)) is not None


def test_nothing_names_a_package_registry_or_a_persons_folder() -> None:
    here = f"{tree.ROOT}/" if len(tree.ROOT.parts) > 2 and sys.platform != "win32" else None
    told = []
    for path in tree.files():
        if path.suffix in {".png", ".jar"} or path.name == "test_layout.py":
            continue
        words = tree.text(path)
        if REGISTRIES.search(words) or HOMES.search(words) or (here and here in words):
            told.append(tree.short(path))
    assert not told
