"""Passwords (contract §4): what is hashed is recognised, and how long it takes tells nothing."""

import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import argon2
import bcrypt
import pytest

from command_api.passwords import EXACTLY, Passwords
from command_api.settings import CommandSettings

DSN = "postgresql://somebody:hidden@127.0.0.1/helpdesk"


@pytest.fixture
def passwords(tmp_path: Path) -> Iterator[Passwords]:
    for name in ("jwks.json", "jwt.pem"):
        (tmp_path / name).touch()
    settings = CommandSettings.model_validate(
        {
            "kafka_bootstrap_servers": "127.0.0.1:9092",
            "command_api_database_url": DSN,
            "command_api_relay_database_url": DSN,
            "command_api_worker_database_url": DSN,
            "command_api_views_database_url": DSN,
            "command_api_notices_database_url": DSN,
            "command_api_webhooks_database_url": DSN,
            "jwt_jwks_file": tmp_path / "jwks.json",
            "jwt_signing_key_file": tmp_path / "jwt.pem",
            "s3_endpoint": "http://127.0.0.1:9000",
            "s3_access_key": "key",
            "s3_secret_key": "hidden",
            "password_memory_kib": 64,
            "password_passes": 1,
        }
    )
    passwords = Passwords(settings)
    yield passwords
    passwords.close()


async def test_a_hash_opens_to_its_password_alone(passwords: Passwords) -> None:
    hash_ = await passwords.hash("correct horse")
    assert hash_.startswith("$argon2id$")
    assert "horse" not in hash_
    assert await passwords.matching("correct horse", [hash_], 1) == [0]
    assert await passwords.matching("Correct horse", [hash_], 1) == []


async def test_the_same_password_has_another_hash_each_time(passwords: Passwords) -> None:
    assert await passwords.hash("correct horse") != await passwords.hash("correct horse")


async def test_every_account_that_the_password_opens_is_found(passwords: Passwords) -> None:
    hashes = [await passwords.hash(one) for one in ("a", "b", "a")]
    assert await passwords.matching("a", hashes, EXACTLY) == [0, 2]


@pytest.mark.parametrize(
    ("accounts", "wanted", "made"), [(0, 1, 1), (1, 1, 1), (0, 5, 5), (2, 5, 5), (5, 5, 5), (7, 5, 7)]
)
async def test_there_are_always_as_many_verifications(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch, accounts: int, wanted: int, made: int
) -> None:
    hashes = [await passwords.hash("somebody's")] * accounts
    verifications: list[str] = []
    verify = argon2.PasswordHasher.verify

    def counted(hasher: argon2.PasswordHasher, hash_: str, password: str) -> bool:
        verifications.append(hash_)
        return verify(hasher, hash_, password)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", counted)
    assert await passwords.matching("mine", hashes, wanted) == []
    assert len(verifications) == made


async def test_a_hash_that_is_none_opens_to_nothing(passwords: Passwords) -> None:
    assert await passwords.matching("a", ["", "x", "$argon2id$"], EXACTLY) == []


async def test_the_dummy_opens_nothing(passwords: Passwords) -> None:
    assert await passwords.matching("nobody has this password", [], EXACTLY) == []


@pytest.mark.parametrize("prefix", [b"$2a$", b"$2b$", b"$2y$"])
async def test_a_hash_of_an_older_system_opens_and_is_outdated(passwords: Passwords, prefix: bytes) -> None:
    old = bcrypt.hashpw(b"correct horse", bcrypt.gensalt(4)).replace(b"$2b$", prefix).decode()
    assert await passwords.matching("correct horse", [old], 1) == [0]
    assert await passwords.matching("Correct horse", [old], 1) == []
    assert passwords.is_outdated(old)
    assert not passwords.is_outdated(await passwords.hash("correct horse"))


async def test_bcrypt_has_always_read_72_bytes(passwords: Passwords) -> None:
    old = bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()
    assert await passwords.matching("x" * 100, [old], 1) == [0]
    assert await passwords.matching("a", ["$2b$04$broken", "$2b$"], 2) == []


async def test_a_hash_of_other_parameters_is_outdated(passwords: Passwords) -> None:
    assert passwords.is_outdated(argon2.PasswordHasher(1, 128, 1).hash("x"))
    assert not passwords.is_outdated("no hash at all")


PROGRAM = """
import asyncio
from types import SimpleNamespace

from command_api import passwords

passwords.QUIET_S = 0.3


def resident_mb():
    with open("/proc/self/statm", encoding="ascii") as pages:
        return int(pages.read().split()[1]) * 4096 / 1e6


async def main():
    settings = SimpleNamespace(password_passes=1, password_memory_kib=19_456, password_threads=2)
    one = passwords.Passwords(settings)
    before = resident_mb()
    for _ in range(3):
        await asyncio.gather(*(one.hash("correct horse") for _ in range(3)))
        await one.hash("correct horse")
    while resident_mb() > before + 5:
        await asyncio.sleep(0.05)
    one.close()

asyncio.run(asyncio.wait_for(main(), 20))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="what is asked of the C library is glibc's")
def test_what_hashing_took_is_given_back_when_it_is_quiet() -> None:
    """In a process of its own: what others have allocated here would be in the way."""
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=30)
