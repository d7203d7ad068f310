"""Summary of a run: its accounts, why a policy was ejected, what is lost of the trace."""

from __future__ import annotations

from typing import TextIO

from bulkhead.model.run import Run
from bulkhead.model.summary import account_lines
from bulkhead.policy.control import control_text
from bulkhead.study.explain import ejection_of


def print_summary(run: Run, out: TextIO) -> None:
    """One line for the end, one per domain, one for the machine."""
    head, *lines = account_lines(run.landmark, run.end)
    print(f"-- {head}", file=out)
    for line in (*lines, *(f"   {line}" for line in ejection_of(run))):
        print(line, file=out)
    print(f"   {control_text(run.machine)}", file=out)
    for warning in run.warnings:
        print(f"   warning: {warning}", file=out)
    mark = run.landmark
    lost = sum(mark.trace_lost)
    if lost:
        rows = sorted(mark.ledger.values(), key=lambda row: -row.trace_lost)
        most = f", {rows[0].trace_lost} of them of {rows[0].name}" if rows and rows[0].trace_lost else ""
        print(f"   the trace is incomplete: {lost} records did not fit and are lost{most}", file=out)
    print(f"   trace {run.trace_sha256}{'' if run.reproducible else ' (not reproducible)'}", file=out)
