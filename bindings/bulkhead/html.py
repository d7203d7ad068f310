"""Machines, runs and results as tables for a notebook. Draws from the objects alone; never runs anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bulkhead.result.model import Result
    from bulkhead.run import Run
    from bulkhead.spec import Machine

MS = 1e-6  # of a nanosecond
MOST_ROWS = 30


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[object]], note: str = "") -> str:
    """An HTML table; every cell is escaped."""
    cells = ["".join(f"<td>{escape(str(cell))}</td>" for cell in row) for row in rows]
    left = len(cells) - MOST_ROWS
    body = "".join(f"<tr>{row}</tr>" for row in cells[:MOST_ROWS])
    more = f"<p>{left} more rows</p>" if left > 0 else ""
    heads = "".join(f"<th>{escape(name)}</th>" for name in head)
    return (
        f"<h4>{escape(title)}</h4><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>{more}"
        f"<p>{escape(note)}</p>"
    )


def machine_html(machine: Machine) -> str:
    """One row for each guest."""
    sched = machine.sched.name if machine.sched is not None else "the built-in fallback"
    rows = [(g.name, g.kernel, g.cmdline, g.vcpus, g.weight, g.cap or "none") for g in machine.guests]
    title = f"{machine.pcpus} pCPU, {sched}, {machine.duration * MS:g} ms"
    return table(title, ("guest", "kernel", "command line", "vCPUs", "weight", "cap [%]"), rows)


def run_html(run: Run) -> str:
    """The ledger: one row for each domain, times in ms."""
    from bulkhead.run import EXIT_TEXT

    rows = [
        (
            row.name,
            row.weight,
            *(f"{ns * MS:.2f}" for ns in (row.guest_ns, row.hypervisor_ns, row.waiting_ns, row.blocked_ns)),
            row.run_ins,
        )
        for row in run.landmark.ledger.values()
    ]
    head = ("domain", "weight", "guest [ms]", "hypervisor [ms]", "waiting [ms]", "blocked [ms]", "times run")
    unexplained = sum(pcpu.error_ns for pcpu in run.landmark.pcpus)
    note = (
        f"{EXIT_TEXT.get(run.exit_status, run.exit_status)}; {len(run.trace)} trace records, "
        f"SHA-256 {run.trace_sha256[:12]}; {unexplained} ns unexplained"
    )
    return table("Run", head, rows, note)


def result_html(result: Result) -> str:
    """One row for each point with its plain numbers."""
    factors = list(result.factors)
    paths = dict.fromkeys(
        name
        for point in result.points
        for name, value in point.metrics.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    )
    head = [*factors, *(f"{name} [{result.metrics[name].unit}]" for name in paths)]
    rows = [
        [
            *(point.levels[name] for name in factors),
            *(f"{point.metrics[name]:.6g}" if point.metrics.get(name) is not None else "" for name in paths),
        ]
        for point in result.points
    ]
    return table(result.title, head, rows, f"{result.question} Back end: {result.backend}.")
