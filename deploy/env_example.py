"""`deploy/.env.example` from the services' settings and the Caddyfile: `make env-example` writes it.

With `--check` it is compared. A variable's line is as true as the field behind it; nobody keeps the file by hand.
"""

import argparse
import importlib
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from helpdesk.settings import Settings
from localstack.credentials import Credentials
from localstack.environment import environment
from localstack.ports import Ports
from localstack.services import SERVICES

DEPLOY: Final = Path(__file__).parent
TARGET: Final = DEPLOY / ".env.example"
CADDYFILE: Final = DEPLOY / "gateway" / "Caddyfile"
HEAD: Final = """\
# Every setting of every process. Written by `make env-example` from the code; do not edit.
# An empty variable counts as none. What has a value here is required, what is commented out shows its default.
"""
GATEWAY_LINE: Final = re.compile(r"^#   ([A-Z0-9_]+(?:, [A-Z0-9_]+)*)\s*(.*)$")
PLACEHOLDER: Final = re.compile(r"\{\$([A-Z0-9_]+)(?::([^}]*))?\}")


class Placeholders(Credentials):
    """Passwords to be changed."""

    def password(self, role: str) -> str:
        """The same for each role."""
        return "change-me"


@dataclass(frozen=True, slots=True)
class Variable:
    """One line: who reads it, what it says, and its value or default (as text, None for a required one)."""

    name: str
    readers: tuple[str, ...]
    description: str
    default: str | None
    is_secret: bool


def variables() -> list[Variable]:
    """Of all services, each once, in the order in which they are met."""
    found: dict[str, Variable] = {}
    for service in SERVICES:
        for settings in _settings(f"{service.module}.settings"):
            for field, info in settings.model_fields.items():
                name = (info.validation_alias if isinstance(info.validation_alias, str) else field).upper()
                known = found.get(name)
                usual = info.default is None and name.endswith("_FILE")  # needed unless another setting says otherwise
                default = None if info.is_required() or usual else _plain(info.default)
                found[name] = Variable(
                    name,
                    tuple(dict.fromkeys((*(known.readers if known else ()), service.name))),
                    known.description if known else _described(name, info),
                    default,
                    info.annotation is SecretStr,
                )
    return list(found.values())


def _settings(module: str) -> Iterator[type[Settings]]:
    for value in vars(importlib.import_module(module)).values():
        if isinstance(value, type) and issubclass(value, Settings) and value.__module__ == module:
            yield value


def _described(name: str, info: FieldInfo) -> str:
    if not info.description:
        raise SystemExit(f"the field behind {name} has no description")
    return info.description


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def lines() -> Iterator[str]:
    """The file, line by line."""
    yield HEAD
    secrets = Placeholders(s3_access_key="", s3_secret_key="", cursor_secret="", webhook_secrets_key="")
    postgres = "postgresql://postgres:change-me@127.0.0.1:5432/helpdesk"
    examples = environment(Ports(), postgres, secrets, Path("/run/secrets"))
    groups: dict[tuple[str, ...], list[Variable]] = {}
    for one in variables():
        groups.setdefault(one.readers, []).append(one)
    for readers, group in sorted(groups.items(), key=lambda item: -len(item[0])):
        yield f"# --- {', '.join(readers)}"
        yield from _shown(group, examples)
    yield "# --- gateway"
    yield from gateway(CADDYFILE.read_text(encoding="utf-8"), examples)


def _shown(group: Iterable[Variable], examples: Mapping[str, str]) -> Iterator[str]:
    for one in group:
        yield f"# {one.description}"
        if one.default is not None:
            yield f"#{one.name}={one.default}"
        else:
            yield f"{one.name}={'' if one.is_secret else examples.get(one.name, '')}"
    yield ""


def gateway(caddyfile: str, examples: Mapping[str, str]) -> Iterator[str]:
    """The gateway's variables: explained in the head of its file, with the defaults that its placeholders have."""
    defaults: dict[str, str | None] = {}
    texts = [caddyfile, (CADDYFILE.parent / "routes").read_text(encoding="utf-8")]
    for name, default in (match.groups() for text in texts for match in PLACEHOLDER.finditer(text)):
        defaults[name] = defaults.get(name) or default
    explained: set[str] = set()
    for names, about in _explained(caddyfile):
        yield f"# {about}"
        for name in names:
            explained.add(name)
            default = defaults.get(name, "")
            optional = default is not None or name == "TRUSTED_PROXIES"
            yield f"#{name}={default or ''}" if optional else f"{name}={examples.get(name, '')}"
    if missing := set(defaults) - explained:
        raise SystemExit(f"the head of the Caddyfile does not explain {', '.join(sorted(missing))}")


def _explained(caddyfile: str) -> Iterator[tuple[list[str], str]]:
    names: list[str] = []
    for line in caddyfile.splitlines():
        if not line.startswith("#"):
            return
        if match := GATEWAY_LINE.match(line):
            names, about = match[1].split(", "), match[2]
            if about:
                yield names, about
        elif names and line.startswith("#    "):
            yield names, line.lstrip("# ")


def main() -> None:
    """Write the file, or say whether it is current."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when the file is not current")
    check = parser.parse_args().check
    text = "\n".join(lines()) + "\n"
    if not check:
        TARGET.write_text(text, encoding="utf-8")
    elif not TARGET.exists() or TARGET.read_text(encoding="utf-8") != text:
        sys.exit(f"{TARGET.name} is not current: run `make env-example`")


if __name__ == "__main__":
    main()
