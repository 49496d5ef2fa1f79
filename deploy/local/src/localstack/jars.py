"""The Java servers' jars: fetched once from the Maven repository, checked against `jars.lock` before each use."""

import hashlib
import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from localstack.errors import StackError
from localstack.paths import cache

LOCK = Path(__file__).with_name("jars.lock")
# slf4j's binding is what makes Kafka's log appear at all.
RESOLVED = {"kafka": ("org.apache.kafka:kafka_2.13", "org.apache.logging.log4j:log4j-slf4j-impl:2.25.5")}
SHADED = {"s3proxy": ("org.gaul", "s3proxy", "jar-with-dependencies")}


@dataclass(frozen=True, slots=True, order=True)
class Jar:
    """One line of the lock: which server needs it, its coordinate, its hash."""

    server: str
    group: str
    artifact: str
    version: str
    classifier: str
    sha256: str

    @property
    def path(self) -> Path:
        """In the cache, under its hash: two versions of one thing never meet."""
        suffix = f"-{self.classifier}" if self.classifier else ""
        return cache() / "jars" / self.sha256[:16] / f"{self.artifact}-{self.version}{suffix}.jar"


def locked(server: str) -> list[Jar]:
    """The jars of one server."""
    lines = LOCK.read_text(encoding="utf-8").splitlines()
    rows = [line.split() for line in lines if line and not line.startswith("#")]
    jars = [Jar(name, *_coordinate(coordinate), sha256) for name, coordinate, sha256 in rows]
    return [jar for jar in jars if jar.server == server]


def classpath(server: str, say: Callable[[str], None]) -> str:
    """Every jar of the server, present and verified."""
    jars = locked(server)
    missing = [jar for jar in jars if not _sound(jar)]
    if missing:
        say(f"Fetching {len(missing)} jars for {server} (once)")
        with ThreadPoolExecutor(max_workers=8) as pool:
            list(pool.map(_fetch, missing))
    return os.pathsep.join(str(jar.path) for jar in jars)


def write_lock() -> None:
    """Resolve anew and write the hashes down: `make lock`."""
    with tempfile.TemporaryDirectory() as folder:
        jars = [
            Jar(server, *row, hashlib.sha256(_download(*row, Path(folder)).read_bytes()).hexdigest())
            for server, row in _wanted()
        ]
    lines = [f"{j.server} {':'.join(filter(None, (j.group, j.artifact, j.version, j.classifier)))} {j.sha256}"
             for j in sorted(jars)]  # fmt: skip
    text = "\n".join(["# Written by `make lock`: server, coordinate, SHA-256.", *lines, ""])
    LOCK.write_text(text, encoding="utf-8")


def _wanted() -> list[tuple[str, tuple[str, str, str, str]]]:
    """Of a shaded jar its newest release; of the others everything below them, one version of each."""
    import jgo  # noqa: PLC0415 - slow to import, and only a fetch needs it
    from jgo.maven import MavenContext  # noqa: PLC0415 - slow to import, and only a fetch needs it

    found: dict[tuple[str, str, str], tuple[str, str, str, str]] = {}
    for server, endpoints in RESOLVED.items():
        for artifact in (a for endpoint in endpoints for a in jgo.resolve(endpoint)):
            row = (artifact.groupId, artifact.artifactId, artifact.version, artifact.classifier or "")
            found.setdefault((server, *row[:2]), row)
    for server, (group, name, classifier) in SHADED.items():
        project = MavenContext().project(group, name)
        project.update()
        found[server, group, name] = (group, name, str(project.release), classifier)
    return [(server, row) for (server, _, _), row in found.items()]


def _coordinate(text: str) -> tuple[str, str, str, str]:
    group, artifact, version, *classifier = text.split(":")
    return group, artifact, version, classifier[0] if classifier else ""


def _sound(jar: Jar) -> bool:
    return jar.path.exists() and hashlib.sha256(jar.path.read_bytes()).hexdigest() == jar.sha256


def _fetch(jar: Jar) -> None:
    """Into the cache in one step, so that no other clone sees half a jar."""
    jar.path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache()) as folder:
        path = _download(jar.group, jar.artifact, jar.version, jar.classifier, Path(folder))
        if hashlib.sha256(path.read_bytes()).hexdigest() != jar.sha256:
            raise StackError(f"{path.name} is not the file that jars.lock names: its SHA-256 differs. Nothing was run.")
        path.replace(jar.path)


def _download(group: str, artifact: str, version: str, classifier: str, folder: Path) -> Path:
    import requests  # noqa: PLC0415 - slow to import, and only a fetch needs it
    from jgo.maven import MavenContext  # noqa: PLC0415 - slow to import, and only a fetch needs it

    component = MavenContext(repo_cache=folder, timeout=60).project(group, artifact).at_version(version)
    try:
        return Path(component.artifact(classifier, "jar").resolve())
    except requests.RequestException as error:
        sentence = f"No network: {artifact}-{version}.jar has to be fetched, once, and the Maven repository "
        raise StackError(sentence + "could not be reached.") from error
