"""What is written about the code is true of it: links, references, decisions, reasons, events, settings."""

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from urllib.parse import unquote

import pytest

from architecture import tree
from helpdesk import wire
from helpdesk.http.problem import _REASONS
from projector.rebuild.fold import VIEWS

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
REFERENCE = re.compile(r"\b(contract|behaviours|design) ((?:§\d+(?:, |-| and )?)+)", re.IGNORECASE)
NAMED_TEST = re.compile(r"`((?:tests/[\w/]+/)?test_\w+\.py)(?:::(\w+))?`")
DOCUMENT = re.compile(r"\bdocs/[\w./-]+\.(?:md|yaml)\b")
ADRS = sorted((tree.ROOT / "docs" / "adr").glob("[0-9]*.md"))
ROW = re.compile(r"^\| `([\w.]+)` \| ([^|]*) \| ([^|]*)", re.MULTILINE)


@pytest.mark.parametrize("adr", ADRS, ids=lambda path: path.stem[:4])
def test_a_decision_is_whole_and_checked_by_something_that_exists(adr: Path) -> None:
    words = tree.text(adr)
    assert [
        f"## {part}" for part in ("Context", "Decision", "Rejected", "Consequences") if f"## {part}" not in words
    ] == []
    checked = re.findall(r"`([^`]+)`", words.partition("Checked by:")[2])
    assert checked, "nothing checks it"
    for path, _, test in (one.partition("::") for one in checked):
        assert (tree.ROOT / path).exists(), path
        assert not test or f"def {test}(" in tree.text(tree.ROOT / path), f"{path} has no {test}"


def test_decisions_are_numbered_without_a_gap() -> None:
    assert [int(path.name[:4]) for path in ADRS] == list(range(1, len(ADRS) + 1))


def test_every_relative_link_leads_somewhere() -> None:
    broken = [
        f"{tree.short(page)}: {target}"
        for page in tree.named(".md")
        for target in LINK.findall(tree.text(page))
        if "://" not in target and not _leads_somewhere(page, target)
    ]
    assert not broken


def _leads_somewhere(page: Path, target: str) -> bool:
    path, _, anchor = unquote(target).partition("#")
    file = (page.parent / path) if path else page
    if not file.exists():
        return False
    return not anchor or any(_slug(line) == anchor for line in tree.text(file).splitlines() if line.startswith("#"))


def _slug(heading: str) -> str:
    plain = re.sub(r"[^\w\s-]", "", heading.lstrip("# ").lower())
    return re.sub(r"\s", "-", plain.strip())


def test_every_test_that_a_page_names_exists() -> None:
    tests = [path for path in tree.named(".py") if tree.short(path).startswith("tests/")]
    missing = [
        f"{tree.short(page)}: {name}::{test}"
        for page in tree.named(".md")
        for name, test in NAMED_TEST.findall(tree.text(page))
        if not any(
            tree.short(path).endswith(f"/{name.removeprefix('tests/')}")
            and (not test or f"def {test}(" in tree.text(path))
            for path in tests
        )
    ]
    assert not missing


def test_the_rules_that_the_code_refers_to_can_be_read() -> None:
    for path in tree.named(".py", ".sql", ".toml", "Caddyfile", "Makefile"):
        for paper, sections in REFERENCE.findall(tree.text(path)):
            page = tree.text(tree.ROOT / "docs" / f"{paper.lower()}.md")
            for number in re.findall(r"\d+", sections):
                assert f"\n## {number}. " in page, f"{tree.short(path)}: {paper} §{number}"
        for named in DOCUMENT.findall(tree.text(path)):
            assert (tree.ROOT / named).exists(), f"{tree.short(path)}: {named}"


def test_every_reason_of_an_error_is_written_down() -> None:
    page = tree.text(tree.ROOT / "docs" / "errors.md")
    reasons, codes = page.split("## Codes of fields")
    written = {reason: statuses for reason, statuses, _ in ROW.findall(reasons)}
    in_use = dict(_reasons())
    assert set(written) == set(in_use)
    assert {row[0] for row in ROW.findall(codes)} == set(_field_codes())
    for reason, status in in_use.items():
        assert status is None or str(status) in written[reason], reason


def _reasons() -> Iterator[tuple[str, int | None]]:
    for status, reason in _REASONS.items():
        yield reason, status
    for _, reason in re.findall(
        r"^\t\t(\S+) [A-Z_]+ (\w+) \"", tree.text(tree.ROOT / "deploy/gateway/Caddyfile"), re.MULTILINE
    ):
        yield reason, None
    for path in tree.product():
        for call in tree.calls(path, "Problem"):
            code, name = (tree.constant(one) for one in call.args[:2])
            if isinstance(name, str):
                yield name, code if isinstance(code, int) else None
        for call in tree.calls(path, "Rejected"):
            if isinstance(name := tree.constant(call.args[0]), str):
                yield name, None


def _field_codes() -> Iterator[str]:
    for path in tree.product():
        places: list[ast.expr | None] = [call.args[0] for call in tree.calls(path, "PydanticCustomError")]
        places += [call.args[2] for call in tree.calls(path, "invalid")]
        places += [
            word.value for call in tree.calls(path, "FieldProblem") for word in call.keywords if word.arg == "code"
        ]
        places += [call.args[0] for call in tree.calls(path, "BadQuery")]
        yield from (code for place in places if isinstance(code := tree.constant(place), str))


def test_every_event_is_written_down_with_its_fields() -> None:
    page = tree.text(tree.ROOT / "docs" / "integrators" / "events.md").partition("## Types")[2]
    written = {(name, int(version)): names.strip() for name, version, names in ROW.findall(page)}
    assert written == {name: ", ".join(f"`{one.name}`" for one in fields(cls)) for name, cls in wire.WIRE.items()}
    channels = tree.text(tree.ROOT / "docs" / "integrators" / "asyncapi.yaml")
    assert set(re.findall(r"^ +- ([a-z]+\.[a-z_]+)$", channels, re.MULTILINE)) == {type_ for type_, _ in wire.WIRE}


def test_the_way_to_fill_the_views_anew_empties_all_of_them() -> None:
    page = tree.text(tree.ROOT / "docs" / "operators" / "rebuild.md")
    (statement,) = re.findall(r"^truncate ([^;]+);", page, re.MULTILINE)
    kept = {"stream_guard", "progress", "parked", "purged_tenant"}
    assert set(re.findall(r"views\.(\w+)", statement)) == kept | {view.name for view in VIEWS}


def test_the_example_of_the_environment_is_current() -> None:
    made = "\n".join(tree.tool("env_example").lines()) + "\n"
    assert made == tree.text(tree.ROOT / "deploy" / ".env.example"), "run `make env-example`"


def test_every_direct_dependency_has_its_reason() -> None:
    page = tree.text(tree.ROOT / "docs" / "dependencies.md")
    written = set(re.findall(r"^\| `([\w.-]+)`", page, re.MULTILINE))
    assert written == set(_dependencies())


def _dependencies() -> Iterator[str]:
    ours = {"helpdesk", "localstack", "tickets", *(name.replace("_", "-") for name in tree.SERVICES)}
    for path in tree.named("pyproject.toml"):
        for line in re.findall(r"^    \"([\w.-]+)(?:\[\w+\])?(?:[>=~].*)?\",$", tree.text(path), re.MULTILINE):
            if line not in ours and not line.startswith("PL"):
                yield line
