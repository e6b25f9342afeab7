"""The command `rollcall`: every subcommand, on one page."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Protocol, cast

from rollcall.trouble import Trouble

DESCRIPTION = """\
Rollcall is a self-hosted device cloud whose memory is an event log.
In a checkout, ./run is `rollcall up` and ./run X is `rollcall X`."""

# The name, and the module that knows what it does.
SUBCOMMANDS = {
    "up": "rollcall.up",
    "status": "rollcall.status",
    "stop": "rollcall.stop",
    "logs": "rollcall.logs",
    "psql": "rollcall.psql",
    "migrate": "rollcall.migrate",
    "rebuild": "rollcall.rebuild",
    "verify": "rollcall.verify",
    "mails": "rollcall.mails",
    "device": "rollcall.device",
    "nats-config": "rollcall.nats_config",
    "administrator": "rollcall.administrator",
    "rotate-master-key": "rollcall.rotate_master_key",
    "demo": "rollcall.demo",
    "test": "rollcall.test",
    "bench": "rollcall.bench",
    "version": "rollcall.version",
}


INTERRUPTED = 130  # as shells say it
HELP_WORDS = (["-h"], ["--help"])


class Subcommand(Protocol):
    """What such a module offers. It may have EXAMPLES, and HANDS_ON if all words are another's."""

    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...
    def run(self, arguments: argparse.Namespace) -> int: ...


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 done, 1 trouble, 2 not understood."""
    words = sys.argv[1:] if arguments is None else arguments
    parsed = make_parser(words).parse_args(words)
    subcommand = load(parsed.subcommand)
    try:
        return subcommand.run(parsed)
    except Trouble as trouble:
        print(f"rollcall: {trouble}", file=sys.stderr)
        return 1
    except PermissionError as error:
        print(f"rollcall: {error.filename}: {error.strerror}. Whose is it?", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough; and nothing may be flushed to them at the end.
        sys.stdout = None
        return 1


def make_parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """Knows all subcommands, but imports only the one meant where that can be seen."""
    parser = argparse.ArgumentParser(
        prog="rollcall", description=DESCRIPTION, formatter_class=argparse.RawTextHelpFormatter
    )
    choices = parser.add_subparsers(dest="subcommand", required=True, metavar="SUBCOMMAND")
    meant = [words[0]] if words and words[0] in SUBCOMMANDS else SUBCOMMANDS
    for name in meant:
        subcommand = load(name)
        # No option of another program is taken for one of ours; but --help is for both.
        all_handed_on = getattr(subcommand, "HANDS_ON", False) and words[1:] not in HELP_WORDS
        subcommand.add_arguments(
            choices.add_parser(
                name,
                help=subcommand.HELP,
                description=subcommand.HELP,
                epilog=getattr(subcommand, "EXAMPLES", None),
                formatter_class=argparse.RawDescriptionHelpFormatter,
                prefix_chars="\0" if all_handed_on else "-",
                add_help=not all_handed_on,
            )
        )
    return parser


def load(name: str) -> Subcommand:
    return cast(Subcommand, import_module(SUBCOMMANDS[name]))


if __name__ == "__main__":
    sys.exit(main())
