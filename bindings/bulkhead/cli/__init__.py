"""The command line after set-up, and what turns errors into one line and an exit status."""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
import warnings
from types import FrameType
from typing import NoReturn

from bootstrap import tools

from bulkhead.base.errors import BulkheadError

INTERRUPTED = 130
ADVICE = {
    errno.ENOSPC: "; make room, or choose a folder elsewhere with --out"
}  # beside the system's own words
QUICK = ["list", "policies"]  # needs neither typer nor a back end


def _terminate(signum: int, frame: FrameType | None) -> NoReturn:
    """An interrupt or a polite kill ends every machine first: threads that wait for one then end too."""
    if (process := sys.modules.get("bulkhead.backend.qemu.process")) is not None:
        process.stop_all()
    if signum == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + signum)


def _carry_out(arguments: list[str]) -> int:
    """Import what the command needs, and no more."""
    if arguments == QUICK:
        status: int = importlib.import_module("bulkhead.cli.list_policies").list_policies()
        return status
    application = importlib.import_module("bulkhead.cli.application")
    return int(application.carry_out(arguments))


def main(arguments: list[str] | None = None) -> int:
    """Run the command; the exit status."""
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGINT, _terminate)
    warnings.filterwarnings("ignore", message=".* trace records are lost")  # the summary says it
    try:
        return _carry_out(sys.argv[1:] if arguments is None else arguments)
    except BulkheadError as error:
        print(f"bulkhead: {error}", file=sys.stderr)
        return error.exit_status
    except FileNotFoundError as error:
        print(f"bulkhead: {tools.explain(error)}", file=sys.stderr)
        return BulkheadError.exit_status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader of the output closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a full disk, a folder without permission
        place = f"{error.filename}: " if error.filename else ""
        advice = ADVICE.get(error.errno or 0, "")
        print(f"bulkhead: {place}{error.strerror or error}{advice}", file=sys.stderr)
        return BulkheadError.exit_status
