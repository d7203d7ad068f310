"""`bulkhead explain`: why a vCPU was not running, or what a guest waited for; `bulkhead trace`: a run for other tools."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import List, Optional

import typer

from bulkhead.base.errors import SpecError
from bulkhead.base.paths import output_folder
from bulkhead.base.text import suggest
from bulkhead.metrics import Window
from bulkhead.model import storage
from bulkhead.study.chrome import write_chrome
from bulkhead.study.ctf import write_ctf
from bulkhead.study.explain import ejection, explain_at, explain_longest
from bulkhead.study.explain_memory import explain_memory
from bulkhead.study.explain_requests import explain_longest_request, explain_requests_at
from bulkhead.study.names import Names
from bulkhead.study.perfetto import write_perfetto
from bulkhead.study.rows import write_csv, write_npz
from bulkhead.study.tracks import tracks

GANTT = "gantt"
SUFFIXES = (".png", ".pdf", ".svg")
# Format: usual file name in the run's folder, and how it is written.
WRITERS: dict[str, tuple[str, Callable[[Names, Path], None]]] = {
    "perfetto": ("trace.perfetto-trace", lambda names, path: write_perfetto(tracks(names), path)),
    "chrome": ("trace.json", lambda names, path: write_chrome(tracks(names), path)),
    "ctf": ("ctf", write_ctf),
    "csv": ("trace.csv", write_csv),
    "npz": ("trace-columns.npz", write_npz),
}
FORMATS = (*WRITERS, GANTT)
RUN_HELP = "Folder of a run, from `boot --out` or below an experiment's runs/."
INCOMPLETE_HELP = "Also of a run whose trace lost records."


def explain(
    run: Path = typer.Argument(..., help=RUN_HELP),
    vcpu: Optional[str] = typer.Option(
        None, metavar="GUEST.N", help="Why this vCPU was not running, for example victim.0."
    ),
    requests: Optional[str] = typer.Option(
        None, metavar="GUEST", help="Why this guest waited for its disk or its network."
    ),
    memory: Optional[str] = typer.Option(None, metavar="GUEST", help="Why this guest had no more memory."),
    at: Optional[str] = typer.Option(None, help="At this instant, for example 123.4ms."),
    longest: bool = typer.Option(
        False, "--longest", help="The longest wait, or the request that took longest."
    ),
    incomplete: bool = typer.Option(False, help=INCOMPLETE_HELP),
) -> int:
    """Say why a vCPU was not running, or what a guest waited for: who was served instead, by which decisions of which policy.

    Instants count from the end of building. Without a vCPU or a guest: why a policy was ejected.
    """
    names = Names(storage.load(run), incomplete)
    asked = [option for option in (vcpu, requests, memory) if option is not None]
    if not asked:
        for line in ejection(names) or ["No policy was ejected; --vcpu GUEST.N --longest explains a wait."]:
            print(line)
        return 0
    if len(asked) > 1:
        raise SpecError("explain: write one of --vcpu, --requests and --memory")
    if longest == (at is not None):
        raise SpecError("explain: write --at 123.4ms for an instant, or --longest for the longest wait")
    if memory is not None and longest:
        raise SpecError("explain: --memory has no longest wait; write --at 123.4ms for an instant")
    instant = names.parse_instant(at, "--at") if at is not None else None
    for line in _explained(names, vcpu, requests, memory, instant):
        print(line)
    return 0


def _explained(
    names: Names, vcpu: str | None, requests: str | None, memory: str | None, at: int | None
) -> list[str]:
    if vcpu is not None:
        chosen = names.parse_vcpu(vcpu)
        return explain_longest(names, chosen) if at is None else explain_at(names, chosen, at)
    if requests is not None:
        domain = names.parse_domain(requests, "--requests")
        return (
            explain_longest_request(names, domain) if at is None else explain_requests_at(names, domain, at)
        )
    assert memory is not None and at is not None
    return explain_memory(names, names.parse_domain(memory, "--memory"), at)


def trace(
    run: Path = typer.Argument(..., help=RUN_HELP),
    to: str = typer.Option(..., "--to", metavar="|".join(FORMATS), help="The form."),
    out: Optional[Path] = typer.Option(None, help="The file, or CTF's folder; default: in the run's folder."),
    from_: str = typer.Option("", "--from", help="gantt: first instant, for example 10ms."),
    until: str = typer.Option("", help="gantt: last instant."),
    mark: List[str] = typer.Option([], help="gantt: an upright line at this instant."),
    incomplete: bool = typer.Option(False, help=INCOMPLETE_HELP),
) -> int:
    """Write a run's trace for Perfetto, Chrome, CTF viewers, spreadsheets or NumPy, or draw who ran where.

    Instants count from the end of building.
    """
    if to not in FORMATS:
        raise SpecError(f"trace: unknown format '{to}'{suggest(to, FORMATS)}")
    if (from_ or until or mark) and to != GANTT:
        raise SpecError(f"trace: --from, --until and --mark are for --to gantt; {to} has the whole run")
    names = Names(storage.load(run), incomplete)
    path = out or run / (WRITERS[to][0] if to in WRITERS else "gantt.png")
    output_folder(path.parent)
    if to == GANTT:
        _gantt(names, path, from_, until, mark)
    else:
        WRITERS[to][1](names, path)
    print(f"wrote {path}")
    return 0


def _gantt(names: Names, path: Path, first: str, last: str, marks: List[str]) -> None:
    from bulkhead.figures.gantt import draw_gantt, save_gantt  # loads matplotlib

    if path.suffix not in SUFFIXES:
        raise SpecError(f"trace: --out {path}: write a name that ends in {', '.join(SUFFIXES)}")
    whole = names.trace.whole
    start = names.parse_instant(first, "--from") if first else max(whole.start, names.origin)
    end = names.parse_instant(last, "--until") if last else whole.end
    if end <= start:
        raise SpecError(f"trace: --until {last} is not after --from {first or '0'}")
    at = [names.parse_instant(mark, "--mark") for mark in marks]
    save_gantt(draw_gantt(names, Window(start, end), at), path)
