"""S3: s3proxy on the file system, and its bucket."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from minio import Minio

from localstack.child import Spec
from localstack.ports import HOST, listening
from localstack.process import Command
from localstack.servers.java import java

REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class S3:
    """One server: where its objects lie, and the keys it accepts."""

    folder: Path
    port: int
    access_key: str
    secret_key: str

    def prepare(self, say: Callable[[str], None]) -> Spec:
        """Its file is rewritten at every start, as the port may have changed."""
        objects, properties = self.folder / "objects", self.folder / "s3proxy.properties"
        objects.mkdir(parents=True, exist_ok=True)
        settings = {
            "s3proxy.endpoint": f"http://{HOST}:{self.port}",
            "s3proxy.authorization": "aws-v2-or-v4",
            "s3proxy.identity": self.access_key,
            "s3proxy.credential": self.secret_key,
            "jclouds.provider": "filesystem-nio2",
            "jclouds.identity": self.access_key,
            "jclouds.credential": self.secret_key,
            "jclouds.filesystem.basedir": str(objects),
        }
        properties.touch(mode=0o600)
        properties.write_text("".join(f"{k}={v}\n" for k, v in settings.items()), encoding="utf-8")
        main = "org.gaul.s3proxy.Main"
        command = java("s3proxy", say, main, "--properties", str(properties), heap="128m", flags=("-DLOG_LEVEL=warn",))
        return Spec("s3", Command(command), lambda: listening(self.port), self.port)

    def create_bucket(self, name: str) -> None:
        """Make it if need be."""
        client = Minio(f"{HOST}:{self.port}", self.access_key, self.secret_key, secure=False, region=REGION)
        if not client.bucket_exists(name):
            client.make_bucket(name)
