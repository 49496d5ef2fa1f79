"""`python -m localstack COMMAND`: what the Makefile calls."""

# ruff: noqa: PLC0415 - imported per command, so that `status` answers at once
import argparse
import sys

from localstack.errors import StackError


def main() -> int:
    """The exit code; what went wrong is said in one sentence."""
    parser = argparse.ArgumentParser(prog="localstack")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run").add_argument("--split", action="store_true")
    commands.add_parser("logs").add_argument("name", nargs="?")
    commands.add_parser("with").add_argument("words", nargs=argparse.REMAINDER)
    for name in ("status", "stop", "clean", "mails", "events", "fetch-jars", "lock-jars"):
        commands.add_parser(name)
    arguments = parser.parse_args()
    try:
        return _dispatch(arguments)
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def _dispatch(arguments: argparse.Namespace) -> int:
    match arguments.command:
        case "run":
            from localstack.run import run

            return run(split=arguments.split)
        case "logs":
            from localstack.tools import logs

            return logs(arguments.name)
        case "with":
            from localstack.tools import within

            return within(arguments.words)
        case "events":
            from localstack.events import follow

            return follow()
        case "fetch-jars":
            from localstack.jars import RESOLVED, SHADED, classpath

            for server in (*RESOLVED, *SHADED):
                classpath(server, print)
            return 0
        case "lock-jars":
            from localstack.jars import write_lock

            write_lock()
            return 0
        case command:
            from localstack.tools import TOOLS

            return TOOLS[command]()


if __name__ == "__main__":
    sys.exit(main())
