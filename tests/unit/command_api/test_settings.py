"""A mistake in the environment ends the start with the variable's name, and with nothing of its value."""

from pathlib import Path

import pytest

from command_api.settings import CommandMigrateSettings, CommandSettings
from helpdesk.settings import load
from projector.settings import ProjectorSettings

DSN = "postgresql://somebody:hunter2@127.0.0.1:5432/helpdesk"


@pytest.fixture
def variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    for name in ("jwks.json", "jwt.pem"):
        (tmp_path / name).touch()
    variables = {
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092",
        "COMMAND_API_DATABASE_URL": DSN,
        "COMMAND_API_RELAY_DATABASE_URL": DSN,
        "COMMAND_API_WORKER_DATABASE_URL": DSN,
        "COMMAND_API_VIEWS_DATABASE_URL": DSN,
        "COMMAND_API_NOTICES_DATABASE_URL": DSN,
        "COMMAND_API_WEBHOOKS_DATABASE_URL": DSN,
        "JWT_JWKS_FILE": str(tmp_path / "jwks.json"),
        "JWT_SIGNING_KEY_FILE": str(tmp_path / "jwt.pem"),
        "S3_ENDPOINT": "http://127.0.0.1:9000",
        "S3_ACCESS_KEY": "key",
        "S3_SECRET_KEY": "hunter2",
        "MIGRATE_DATABASE_URL": DSN,
        "PROJECTOR_DATABASE_URL": DSN,
        "PROJECTOR_EVENTS_DATABASE_URL": DSN,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


REQUIRED = [
    "KAFKA_BOOTSTRAP_SERVERS",
    "COMMAND_API_DATABASE_URL",
    "COMMAND_API_RELAY_DATABASE_URL",
    "COMMAND_API_WORKER_DATABASE_URL",
    "COMMAND_API_VIEWS_DATABASE_URL",
    "COMMAND_API_NOTICES_DATABASE_URL",
    "COMMAND_API_WEBHOOKS_DATABASE_URL",
    "JWT_JWKS_FILE",
    "JWT_SIGNING_KEY_FILE",
    "MIGRATE_DATABASE_URL",
]


@pytest.mark.usefixtures("variables")
def test_the_rest_has_defaults() -> None:
    settings = load(CommandMigrateSettings)
    assert (settings.events_topic, settings.topic_partitions, settings.command_api_port) == (
        "helpdesk.events",
        48,
        8081,
    )
    assert (settings.access_token_seconds, settings.refresh_token_seconds) == (24 * 3600, 7 * 24 * 3600)
    assert (settings.password_memory_kib, settings.password_passes) == (19 * 1024, 2)
    assert load(ProjectorSettings).projector_port == 8083


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("empty", [True, False])
@pytest.mark.usefixtures("variables")
def test_a_missing_variable_is_named(
    name: str, empty: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if empty:
        monkeypatch.setenv(name, "")
    else:
        monkeypatch.delenv(name)
    with pytest.raises(SystemExit) as end:
        load(CommandMigrateSettings)
    assert end.value.code == 78
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"configuration: {name}: ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("COMMAND_API_DATABASE_URL", "postgresql://somebody:hunter2@[broken"),
        ("COMMAND_API_DATABASE_URL", "hunter2"),
        ("MIGRATE_DATABASE_URL", "host=127.0.0.1 password=hunter2"),
        ("KAFKA_BOOTSTRAP_SERVERS", "hunter2"),
        ("JWT_JWKS_FILE", "/nowhere/hunter2"),
        ("JWT_SIGNING_KEY_FILE", "/nowhere/hunter2"),
        ("COMMAND_API_PORT", "hunter2"),
        ("COMMAND_API_PORT", "70000"),
        ("ACCESS_TOKEN_SECONDS", "1"),
        ("PASSWORD_THREADS", "0"),
        ("TOPIC_PREFIX", "Hunter2!"),
        ("TOPIC_PARTITIONS", "0"),
        ("RELAY_SHARDS", "7"),
        ("JWT_ALGORITHM", "none"),
        ("REFRESH_ROTATION", "hunter2"),
        ("SELF_SERVICE_TENANTS", "hunter2"),
        ("LOG_LEVEL", "hunter2"),
        ("LOG_FORMAT", "hunter2"),
    ],
)
@pytest.mark.usefixtures("variables")
def test_a_bad_variable_is_named_and_its_value_is_not_told(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as end:
        load(CommandMigrateSettings)
    assert end.value.code == 78
    told = capsys.readouterr()
    assert told.err.startswith(f"configuration: {name}: ")
    assert "hunter2" not in (told.err + told.out).lower().replace("'text' or 'json'", "")
    assert value not in told.err


@pytest.mark.usefixtures("variables")
def test_every_mistake_is_told_at_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in REQUIRED:
        monkeypatch.delenv(name)
    with pytest.raises(SystemExit):
        load(CommandMigrateSettings)
    assert sorted(line.split(": ")[1] for line in capsys.readouterr().err.splitlines()) == sorted(REQUIRED)


@pytest.mark.usefixtures("variables")
def test_settings_do_not_change_and_every_one_is_described() -> None:
    settings = load(CommandSettings)
    with pytest.raises(ValueError, match="frozen"):
        settings.command_api_port = 1
    for model in (CommandMigrateSettings, ProjectorSettings):
        assert [name for name, field in model.model_fields.items() if not field.description] == []


@pytest.mark.parametrize(
    ("secret", "problem"),
    [(None, "is missing"), ("", "is missing"), ("hunter2", "must have at least 32 bytes"), ("x" * 31, "must have")],
)
@pytest.mark.usefixtures("variables")
def test_a_shared_secret_must_be_there_and_long_enough(
    secret: str | None, problem: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JWT_ALGORITHM", "HS256")
    if secret is not None:
        monkeypatch.setenv("JWT_SECRET", secret)
    with pytest.raises(SystemExit) as end:
        load(CommandSettings)
    assert end.value.code == 78
    told = capsys.readouterr().err
    assert told.startswith(f"configuration: JWT_SECRET: {problem}")
    assert "hunter2" not in told


@pytest.mark.usefixtures("variables")
def test_with_a_shared_secret_no_key_file_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT_ALGORITHM", "HS256")
    monkeypatch.setenv("JWT_SECRET", "ü" * 16)
    monkeypatch.delenv("JWT_JWKS_FILE")
    monkeypatch.delenv("JWT_SIGNING_KEY_FILE")
    settings = load(CommandSettings)
    assert (settings.jwt_jwks_file, settings.jwt_signing_key_file) == (None, None)
    assert "ü" not in repr(settings)
