"""The command line after set-up: typer's application and what turns errors into one line and an exit status."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from types import FrameType
from typing import NoReturn

import click
import typer

from bootstrap import tools
from bulkhead.backend.qemu import process
from bulkhead.base.errors import BulkheadError
from bulkhead.cli import (
    bench,
    boot,
    calibrate,
    compare,
    explain,
    image,
    listing,
    new,
    perf,
    replay,
    run,
    tests,
)
from bulkhead.model.run import IncompleteTrace

INTERRUPTED = 130

app = typer.Typer(
    help="Bulkhead: a paravirtual hypervisor as a testbed for performance isolation.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("doctor", help="What this machine has and lacks.")(lambda: None)  # answered before set-up
app.command("build", help="Set up and build.")(lambda: None)  # done before we get here
app.command("demo")(run.demo)
app.command("test")(tests.test)
app.command("list")(listing.list_things)
app.command("run")(run.run)
app.command("compare")(compare.compare)
app.command("report")(compare.report)
app.command("trace")(explain.trace)
app.command("explain")(explain.explain)
app.command("boot")(boot.boot)
app.command("new")(new.new)
app.command("replay")(replay.replay)
app.command("calibrate")(calibrate.calibrate)
app.command("image")(image.image)
app.command("bench")(bench.bench)
app.command("perf")(perf.perf)


def _terminate(signum: int, frame: FrameType | None) -> NoReturn:
    """An interrupt or a polite kill ends every machine first: threads that wait for one then end too."""
    process.stop_all()
    if signum == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + signum)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; the exit status."""
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGINT, _terminate)
    warnings.simplefilter("ignore", IncompleteTrace)  # the summary says it
    try:
        result = app(arguments, prog_name="./bulkhead", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except BulkheadError as error:
        print(f"bulkhead: {error}", file=sys.stderr)
        return error.exit_status
    except FileNotFoundError as error:
        print(f"bulkhead: {tools.explain(error)}", file=sys.stderr)
        return BulkheadError.exit_status
    except click.ClickException as error:
        print(f"bulkhead: {error.format_message()}", file=sys.stderr)
        return BulkheadError.exit_status
    except click.exceptions.Exit as error:
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:  # the reader of the output closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a full disk, a folder without permission
        place = f"{error.filename}: " if error.filename else ""
        print(f"bulkhead: {place}{error.strerror or error}", file=sys.stderr)
        return BulkheadError.exit_status
