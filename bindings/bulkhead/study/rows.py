"""A run's trace as a table: CSV for people and spreadsheets, npz with one array for each column for NumPy."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from bulkhead.base.schema import EVENTS
from bulkhead.metrics.trace import int64
from bulkhead.study.names import Names

COLUMNS = ("time_ns", "event", "domain", "vcpu", "pcpu", "a", "b")


def write_csv(names: Names, path: Path) -> None:
    """One line for each record; events and domains by name."""
    events = {row["number"]: name for name, row in EVENTS.items()}
    records = names.trace.records
    fields = (records[field].tolist() for field in ("time", "event", "domain", "vcpu", "pcpu", "a", "b"))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for time, event, domain, *rest in zip(*fields):
            writer.writerow((time, events[event], names.domain(domain), *rest))


def write_npz(names: Names, path: Path) -> None:
    """Columns by the names of COLUMNS, `event` and `domain` as numbers; `event_names` and `domain_names` list their names."""
    records = names.trace.records
    columns = {name: np.ascontiguousarray(records[name]) for name in COLUMNS if name != "time_ns"}
    ledger = {row.domain: name for name, row in names.run.landmark.ledger.items()}
    np.savez_compressed(
        path,
        time_ns=int64(records["time"]),
        **columns,
        event_names=np.array(list(EVENTS)),
        domain_numbers=np.array(sorted(ledger), dtype=np.int64),
        domain_names=np.array([ledger[number] for number in sorted(ledger)]),
    )
