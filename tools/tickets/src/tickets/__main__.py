"""`python -m tickets verify`: do the invariants hold on this running system? docs/operators/verify.md."""

import argparse
import sys

from helpdesk.commands import in_one_line
from helpdesk.observability.logs import configured
from helpdesk.settings import EX_CONFIG
from tickets.settings import VerifySettings
from tickets.verify.report import INVARIANTS
from tickets.verify.run import verify
from tickets.verify.snapshot import NotAllowed


def main(argv: list[str]) -> int:
    """0: everything holds; 1: something does not; 78: not told where to look."""
    parser = argparse.ArgumentParser(prog="python -m tickets", description="The operators' command line.")
    commands = parser.add_subparsers(dest="command", required=True)
    words = commands.add_parser("verify", help="check the invariants of the system, reading alone")
    words.add_argument("--only", default=",".join(INVARIANTS), help="which of them, separated by commas (default: all)")
    words.add_argument("--wait", type=float, default=10.0, help="seconds to wait for consumers that are behind")
    options = parser.parse_args(argv)
    only = [name.strip().upper() for name in options.only.split(",")]
    if unknown := [name for name in only if name not in INVARIANTS]:
        parser.error(f"there is no invariant {', '.join(unknown)}")
    settings = configured("tickets", VerifySettings)
    if settings.dsn is None:
        sys.stderr.write("configuration: VERIFY_DATABASE_URL: is missing\n")
        return EX_CONFIG
    good = True
    with in_one_line("verify", NotAllowed):
        for outcome in verify(settings.dsn, settings, only, options.wait):
            good = good and not outcome.wrong
            print(outcome, flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
