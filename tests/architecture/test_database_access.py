"""SQL stands where its tables are owned, and nobody reaches a database by another way."""

import ast
import re

from architecture import tree

SQL = re.compile(
    r"^\s*(select\s|insert\s+into\s|update\s+\S+\s+set\s|delete\s+from\s|with\s+(recursive\s+)?\w+\s+as\s*\()",
    re.IGNORECASE,
)
OWN_SQL = (
    "shared/src/helpdesk/eventstore/",
    "shared/src/helpdesk/consumer/",
    "shared/src/helpdesk/postgres/",
    "shared/src/helpdesk/consistency.py",
    "services/command-api/src/command_api/store",
    "services/projector/src/projector/store",
    "services/projector/src/projector/rebuild/",
    "services/query-api/src/query_api/views/",
    "services/webhook-dispatcher/src/webhook_dispatcher/store",
    "services/notifier/src/notifier/store",
)
TAKE_CONNECTIONS = (
    *(place for place in OWN_SQL if "query-api" not in place),
    "services/command-api/src/command_api/users.py",
    "services/command-api/src/command_api/accounts.py",  # an account's events and its private rows are one transaction
)


def test_sql_stands_only_where_tables_are_owned() -> None:
    strays = [
        f"{tree.short(path)}:{node.lineno}"
        for path in tree.product()
        if not tree.short(path).startswith(OWN_SQL)
        for node in ast.walk(tree.syntax(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.match(node.value)
    ]
    assert not strays


def test_connections_are_taken_only_there() -> None:
    strays = [
        f"{tree.short(path)}:{call.lineno}"
        for path in tree.product()
        if not tree.short(path).startswith(TAKE_CONNECTIONS)
        for call in tree.calls(path, "connection")
    ]
    assert not strays


def test_the_query_api_reads_through_the_tenants_connection_alone() -> None:
    """It has no cursor, no transaction and no driver of its own: `helpdesk.postgres.tenant` is its only way."""
    for path in tree.named(".py"):
        if "query_api" in path.parts and "src" in path.parts:
            assert not list(tree.calls(path, "connection", "connect", "cursor", "execute", "transaction")), path
            assert not re.search(r"^\s*(import|from) psycopg", tree.text(path), re.MULTILINE), path


def test_every_table_has_forced_row_level_security() -> None:
    """Named in its own file, or in that file's loop over names."""
    for path in tree.named(".sql"):
        words = tree.text(path)
        looped = "force row level security'" in words
        for table in re.findall(r"^create table (\S+)", words, re.MULTILINE):
            bare = table.rpartition(".")[2]
            if looped and f"'{bare}'" in words:
                continue
            assert re.search(rf"alter table \S*{bare} force row level security", words), f"{tree.short(path)}: {table}"
