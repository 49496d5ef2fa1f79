"""Mail: a sink that keeps what it is given in a Maildir and shows it. Also a program: `python -m … FOLDER PORT`."""

import asyncio
import email.policy
import mailbox
import sys
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

from aiosmtpd.controller import UnthreadedController
from aiosmtpd.smtp import SMTP, Envelope, Session

from localstack.child import Spec
from localstack.ports import HOST, listening
from localstack.process import Command


def prepare(folder: Path, port: int) -> Spec:
    """The sink as a child."""
    command = Command((sys.executable, "-m", "localstack.servers.smtp", str(folder), str(port)))
    return Spec("smtp", command, lambda: listening(port), port)


def mails(folder: Path) -> list[EmailMessage]:
    """All that came, the oldest first."""
    files = sorted((folder / "new").glob("*"), key=lambda file: file.stat().st_mtime_ns)
    return [BytesParser(EmailMessage, policy=email.policy.default).parsebytes(file.read_bytes()) for file in files]


class Sink:
    """Keeps every mail, with its envelope in headers: Bcc is visible nowhere else."""

    def __init__(self, folder: Path) -> None:
        self._box = mailbox.Maildir(folder, create=True)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Store it before it is acknowledged."""
        content = envelope.original_content or b""
        head = f"X-Envelope-From: {envelope.mail_from}\r\nX-Envelope-To: {', '.join(envelope.rcpt_tos)}\r\n"
        self._box.add(head.encode() + content)
        return "250 Kept"


async def _serve(folder: Path, port: int) -> None:
    controller = UnthreadedController(Sink(folder), hostname=HOST, port=port, loop=asyncio.get_running_loop())
    server = await asyncio.get_running_loop().create_server(controller.factory, host=HOST, port=port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))
