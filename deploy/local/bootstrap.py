"""Sets up `.venv` from the locked requirements. Needs nothing but Python: it runs before anything is installed."""

# An older Python must reach our sentence before it trips over something newer.
import sys

if sys.version_info < (3, 11):  # noqa: UP036 - an old Python runs this to be told so
    # Not an f-string: such a Python may not know them.
    sys.exit("Python 3.11 or newer is needed, this is %d.%d: try `make PYTHON=python3.12`." % sys.version_info[:2])  # noqa: UP031 - for the same Python

import fcntl
import hashlib
import os
import shutil
import subprocess
import time
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
STAMP = VENV / "acme-stamp"
BIN = VENV / "bin"
REQUIREMENTS = ROOT / "requirements"
NETWORK_SIGNS = ("dns error", "name resolution", "failed to fetch", "connection refused", "network is unreachable",
                 "no matching distribution", "timed out", "error sending request", "newconnectionerror")  # fmt: skip


class SetupFailedError(Exception):
    """One sentence for the person at the terminal."""


def workspace() -> list[Path]:
    """The folders of the workspace's packages."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns: list[str] = config["tool"]["uv"]["workspace"]["members"]
    return sorted(p.parent for pattern in patterns for p in ROOT.glob(f"{pattern}/pyproject.toml"))


def fingerprint() -> str:
    """What the set-up depends on: when it is unchanged there is nothing to do."""
    files = [REQUIREMENTS / "uv.txt", REQUIREMENTS / "dev.txt", *(m / "pyproject.toml" for m in workspace())]
    digest = hashlib.sha256(f"{sys.version} {VENV}".encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def run(step: str, *command: str | Path) -> None:
    """One step of the set-up, silent unless it fails."""
    print(f"  {step} …", flush=True)
    begun = time.monotonic()
    environment = {k: v for k, v in os.environ.items() if k not in {"VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"}}
    result = subprocess.run([str(c) for c in command], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
                            capture_output=True, text=True, check=False)  # fmt: skip
    if result.returncode:
        output = result.stdout + result.stderr
        if any(sign in output.lower() for sign in NETWORK_SIGNS):
            raise SetupFailedError(f"No network: “{step}” needs the package index, once, and could not reach it.")
        if "no space left" in output.lower():
            raise SetupFailedError(f"The disk is full: “{step}” needs about 1 GB below {ROOT}.")
        print(output[-4000:], file=sys.stderr)
        raise SetupFailedError(f"“{step}” failed; its output is above.")
    print(f"  {step}: {time.monotonic() - begun:.1f} s", flush=True)


def install() -> None:
    """A fresh environment: uv by pip, everything else by uv, all of it with hashes."""
    if not (BIN / "python").exists():
        shutil.rmtree(VENV, ignore_errors=True)
        try:
            venv.create(VENV, with_pip=True)
        except subprocess.CalledProcessError as error:
            shutil.rmtree(VENV, ignore_errors=True)
            raise SetupFailedError("This Python lacks ensurepip: install your system's python3-venv.") from error
    python, uv = BIN / "python", BIN / "uv"
    run("installing uv", python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input",
        "--retries", "2", "--require-hashes", "-r", REQUIREMENTS / "uv.txt")  # fmt: skip
    run("installing the locked packages", uv, "pip", "install", "--python", python, "--require-hashes",
        "--compile-bytecode", "-r", REQUIREMENTS / "dev.txt")  # fmt: skip
    editable = [argument for member in workspace() for argument in ("-e", str(member))]
    run("linking the workspace", uv, "pip", "install", "--python", python, "--offline", "--no-deps",
        "--no-build-isolation", *editable)  # fmt: skip


def main() -> int:
    """Set up, or find that there is nothing to do."""
    with (ROOT / "pyproject.toml").open("rb") as one_at_a_time:
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        return set_up()


def set_up() -> int:
    """The work, unless the stamp says that it was done."""
    wanted = fingerprint()
    if STAMP.exists() and STAMP.read_text(encoding="utf-8") == wanted:
        return 0
    print("Setting up .venv (once; some 500 MB of packages)", flush=True)
    try:
        STAMP.unlink(missing_ok=True)
        install()
        STAMP.write_text(wanted, encoding="utf-8")
    except SetupFailedError as error:
        print(f"Set-up failed: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"Set-up failed: {error.strerror or error} ({error.filename or VENV}).", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
