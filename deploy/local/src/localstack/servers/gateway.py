"""The gateway: Caddy with the same Caddyfile as everywhere else."""

import sysconfig
from collections.abc import Mapping
from pathlib import Path

from localstack.child import Spec
from localstack.paths import CADDYFILE
from localstack.ports import Ports, listening
from localstack.process import Command


def prepare(folder: Path, ports: Ports, environment: Mapping[str, str]) -> Spec:
    """Its own state is kept with ours instead of in the home folder."""
    caddy = Path(sysconfig.get_path("scripts")) / "caddy"
    own = {"XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "CADDY_ADMIN": "off"}
    folder.mkdir(parents=True, exist_ok=True)
    arguments = (str(caddy), "run", "--config", str(CADDYFILE), "--adapter", "caddyfile")
    command = Command(arguments, {**environment, **own}, CADDYFILE.parent)
    return Spec("gateway", command, lambda: listening(ports.gateway), ports.gateway, tier=1)
