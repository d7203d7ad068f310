"""A run on disk: `run.json` (all but the trace), `trace.npz`, one text file per console. Raw data; never edited later."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from bulkhead.run import DomainLedger, Landmark, PcpuLedger, PolicyReport, Run, Stretch, Versions
from bulkhead.spec import BulkheadError, GuestSpec, Machine, PolicySpec, TimelineEntry

SUMMARY = "run.json"
TRACE = "trace.npz"


def save(run: Run, folder: Path) -> None:
    """Write the run into a folder, which is made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    fields = {name: getattr(run, name) for name in run.__dataclass_fields__ if name != "trace"}
    summary = {**fields, "machine": asdict(run.machine), "landmark": asdict(run.landmark), "versions": asdict(run.versions)}
    (folder / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    np.savez_compressed(folder / TRACE, trace=run.trace)
    for name, text in run.consoles.items():
        (folder / f"console-{name}.txt").write_text(text, encoding="utf-8")


def load(folder: Path) -> Run:
    """Read a run back. BulkheadError if the folder holds none."""
    try:
        summary = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        with np.load(folder / TRACE) as arrays:
            trace = arrays["trace"]
    except (OSError, ValueError, KeyError) as error:
        raise BulkheadError(f"{folder} holds no run: {error}") from None
    plain = {name: summary[name] for name in Run.__dataclass_fields__ if name in summary}
    return Run(
        **{
            **plain,
            "trace": trace,
            "machine": _machine(summary["machine"]),
            "landmark": _landmark(summary["landmark"]),
            "versions": Versions(**summary["versions"]),
        }
    )


def _machine(row: dict[str, Any]) -> Machine:
    policies = {name: PolicySpec(**row[name]) if row[name] else None for name in ("sched", "memctl", "ringctl")}
    lists = {
        "guests": tuple(GuestSpec(**guest) for guest in row["guests"]),
        "timeline": tuple(TimelineEntry(**entry) for entry in row["timeline"]),
        "trace_groups": tuple(row["trace_groups"]),
    }
    return Machine(**{**row, **policies, **lists})


def _landmark(row: dict[str, Any]) -> Landmark:
    return Landmark(
        **{
            **row,
            "ledger": {name: DomainLedger(**entry) for name, entry in row["ledger"].items()},
            "pcpus": tuple(PcpuLedger(**entry) for entry in row["pcpus"]),
            "policies": tuple(PolicyReport(**entry) for entry in row["policies"]),
            "r_max": Stretch(**row["r_max"]),
            "trace_written": tuple(row["trace_written"]),
            "trace_lost": tuple(row["trace_lost"]),
        }
    )
