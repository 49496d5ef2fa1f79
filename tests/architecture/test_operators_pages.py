"""For whatever a process says of itself when it cannot go on, a page tells operators what to do."""

import ast
import importlib
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from architecture import tree
from helpdesk.consumer.errors import Halt

PAGE = tree.ROOT / "docs" / "operators" / "health.md"
CONSUMER = [path for path in tree.product() if tree.short(path).startswith("shared/src/helpdesk/consumer/")]
TOLD = ("Diverged", "TooManyParked", "NotHealed")
"""What is raised with a sentence that comes to stand in the health."""
ENDS = re.compile(r"\b(?:SystemExit|_exit)\((\w+)\)")


def page() -> str:
    return " ".join(tree.text(PAGE).split())


def _module(path: Path) -> str:
    return ".".join(path.with_suffix("").parts[path.parts.index("src") + 1 :])


def _texts(path: Path, node: ast.AST) -> Iterator[str]:
    """The constant texts of an expression, those of the module's own names too; a piece of three words says enough."""
    module = importlib.import_module(_module(path))
    for one in ast.walk(node):
        text = getattr(module, one.id, None) if isinstance(one, ast.Name) else getattr(one, "value", None)
        if isinstance(text, str) and len(text.split()) >= 3:
            yield text.strip(" ,:")


def _said(path: Path) -> Iterator[str]:
    """What a module of the consumer makes its health say."""
    for node in ast.walk(tree.syntax(path)):
        match node:
            case ast.Assign(targets=[ast.Attribute(attr="error")], value=value):
                yield from _texts(path, value)
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=args) if name in TOLD:
                yield from chain.from_iterable(_texts(path, one) for one in args)
            case ast.FunctionDef(name="reason" | "halt_of", body=[_, *statements]):
                yield from chain.from_iterable(_texts(path, one) for one in statements)
            case _:
                pass


SENTENCES = sorted({text for path in CONSUMER for text in _said(path)})


def test_the_sentences_are_found() -> None:
    assert len(SENTENCES) >= 8, SENTENCES


@pytest.mark.parametrize("sentence", SENTENCES)
def test_what_a_consumer_says_of_itself_stands_in_the_page(sentence: str) -> None:
    assert sentence in page()


def test_each_reason_of_a_halt_has_its_row_and_no_other_has() -> None:
    _, _, table = tree.text(PAGE).partition("## When a consumer halts")
    rows = re.findall(r"^\| `(\w+)` \|", table.partition("\n## ")[0], re.MULTILINE)
    assert rows == [one.value for one in Halt]


def test_each_code_with_which_a_process_ends_is_explained() -> None:
    codes = set()
    for path in tree.product():
        for word in ENDS.findall(tree.text(path)):
            codes.add(int(word) if word.isdigit() else getattr(importlib.import_module(_module(path)), word, None))
    _, _, table = tree.text(PAGE).partition("## When a process ends by itself")
    explained = {int(one) for one in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    assert explained == {one for one in codes if isinstance(one, int)}
