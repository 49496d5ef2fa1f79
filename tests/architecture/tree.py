"""The repository as data: its files, its modules, the text and the syntax in them."""

import ast
import importlib.util
import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
SERVICES: Final = ("command_api", "projector", "query_api", "webhook_dispatcher", "notifier")
_KEPT: Final = {".ci", ".env.example", ".gitignore", ".importlinter"}
_MADE: Final = {"__pycache__", "htmlcov", "node_modules"}


@cache
def files() -> tuple[Path, ...]:
    """Every file that belongs to the repository: nothing hidden but what we wrote, nothing that a tool made."""
    found = []
    for folder, below, names in os.walk(ROOT):
        below[:] = [name for name in below if name not in _MADE and (not name.startswith(".") or name in _KEPT)]
        found += [Path(folder, name) for name in names if not name.startswith(".") or name in _KEPT]
    return tuple(sorted(path for path in found if path.is_file()))


def named(*suffixes: str) -> list[Path]:
    """Those whose names end so."""
    return [path for path in files() if path.name.endswith(suffixes)]


def short(path: Path) -> str:
    """A file as people name it."""
    return path.relative_to(ROOT).as_posix()


def source(service: str) -> Path:
    """The package of a service."""
    return ROOT / "services" / service.replace("_", "-") / "src" / service


def product() -> list[Path]:
    """The modules of the shared package and of the services."""
    return [path for path in named(".py") if short(path).startswith(("shared/src/", "services/"))]


@cache
def text(path: Path) -> str:
    """What stands in a file."""
    return path.read_text(encoding="utf-8")


@cache
def syntax(path: Path) -> ast.Module:
    """A module, parsed."""
    return ast.parse(text(path))


def calls(path: Path, *names: str) -> Iterator[ast.Call]:
    """The calls of a function or method of one of these names."""
    for node in ast.walk(syntax(path)):
        if isinstance(node, ast.Call):
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            if name in names:
                yield node


def constant(node: ast.expr | None) -> object:
    """The value of a literal, None for anything else."""
    return node.value if isinstance(node, ast.Constant) else None


def tool(name: str) -> ModuleType:
    """A script of `deploy/`, as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "deploy" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look for the names in their annotations
    spec.loader.exec_module(module)
    return module
