"""Where things lie: the clone, its data, the cache that clones share, and the folder another user can reach."""

import getpass
import hashlib
import os
import pwd
from pathlib import Path

from localstack.errors import StackError

ROOT = Path(__file__).resolve().parents[4]
DATA = ROOT / ".data"
CADDYFILE = ROOT / "deploy" / "gateway" / "Caddyfile"


def cache() -> Path:
    """Shared between clones: downloads that are checked before each use."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "acme-tickets"


def area() -> Path:
    """For root only, who may not run PostgreSQL: a folder that an unprivileged user can reach, too."""
    return Path("/var/tmp") / f"acme-tickets-{getpass.getuser()}-{hashlib.sha256(bytes(ROOT)).hexdigest()[:12]}"


def own_area() -> Path:
    """The same, made if need be and certainly ours: anybody can make a folder of that name there."""
    folder = area()
    folder.mkdir(mode=0o755, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise StackError(f"{folder} belongs to somebody else: remove it.")
    return folder


def unprivileged() -> pwd.struct_passwd | None:
    """Who runs PostgreSQL when we are root."""
    return pwd.getpwnam("nobody") if os.getuid() == 0 else None
