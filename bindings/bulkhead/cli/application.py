"""The command line with all its commands: typer's application."""

from __future__ import annotations


import sys

import click
import typer

from bulkhead.base.errors import BulkheadError

from bulkhead.cli import (
    bench,
    boot,
    build,
    calibrate,
    check,
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


app = typer.Typer(
    help="Bulkhead: a paravirtual hypervisor as a testbed for performance isolation.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("doctor", help="What this machine has and lacks.")(lambda: None)  # answered before set-up
app.command("build")(build.build)
app.command("demo")(run.demo)
app.command("test")(tests.test)
app.command("fuzz")(tests.fuzz)
app.command("run")(run.run)
app.command("compare")(compare.compare)
app.command("report")(compare.report)
app.command("trace")(explain.trace)
app.command("explain")(explain.explain)
app.command("check")(check.check)
app.command("artifact")(check.artifact)
app.command("boot")(boot.boot)
app.command("new")(new.new)
app.command("replay")(replay.replay)
app.command("calibrate")(calibrate.calibrate)
app.command("image")(image.image)
app.command("bench")(bench.bench)
app.command("perf")(perf.perf)


def list_things(what: str = typer.Argument("all", metavar="[policies|experiments|workloads|attacks]")) -> int:
    """List what Bulkhead has: policies with their parameters, experiments, workloads, attacks."""
    return listing.list_things(what)


app.command("list")(list_things)


def carry_out(arguments: list[str]) -> int:
    """The exit status of a command. Raises what the command raises."""
    try:
        result = app(arguments, prog_name="./bulkhead", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.ClickException as error:
        print(f"bulkhead: {error.format_message()}", file=sys.stderr)
        return BulkheadError.exit_status
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.Abort:
        raise KeyboardInterrupt from None
