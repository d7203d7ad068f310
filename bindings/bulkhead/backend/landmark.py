"""Reads the landmark, the ledger and the trace out of the machine's RAM. Trusts no pointer or count it finds there."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from bulkhead.base.errors import BulkheadError
from bulkhead.base.layouts import RECORD, layout
from bulkhead.base.schema import constant, enum_name, hook_name
from bulkhead.model.landmark import (
    DomainLedger,
    Landmark,
    NonPreemptibleSection,
    PcpuLedger,
    PolicyReport,
    RingUse,
)
from bulkhead.policy.tables import PolicyTable

PLAIN = (
    "run_ins",
    "frames_owned",
    "frames_peak",
    "console_bytes",
    "copied_bytes",
    "refreshed",
    "trace_lost",
    "withheld",
)
LARGEST_LEDGER = 65536
Row = Any  # a numpy record; its fields are those of the header's structure


class Memory(Protocol):
    """The memory that the ledger is read from: the machine's RAM, or its stand-in."""

    def read(self, physical: int, size: int, /) -> bytes:
        """`size` bytes from a physical address."""


def read_page(ram: Memory) -> Row:
    """The landmark page as a numpy record. BulkheadError if the hypervisor has not written one (yet)."""
    page = layout("landmark.Page")
    row = np.frombuffer(ram.read(constant("landmark.physical_address"), page.itemsize), dtype=page)[0]
    if row["magic"] != constant("landmark.magic"):
        raise BulkheadError("the hypervisor left no landmark: it did not get as far as its own start-up")
    if row["version"] != constant("landmark.version"):
        raise BulkheadError(
            f"the hypervisor's landmark has version {row['version']}, Python's has "
            f"{constant('landmark.version')}; run ./bulkhead build"
        )
    return row


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def ledger_place(page: Row) -> tuple[int, int]:
    """Where the ledger's entries are in RAM, and how many of them are used."""
    used = min(int(page["ledger_used"]), int(page["ledger_capacity"]), LARGEST_LEDGER)
    return int(page["ledger_physical"]), used


def _ledger(page: Row, ram: Memory) -> dict[str, DomainLedger]:
    entry = layout("landmark.LedgerEntry")
    where, used = ledger_place(page)
    return domains(np.frombuffer(ram.read(where, used * entry.itemsize), dtype=entry))


def domains(rows: Row) -> dict[str, DomainLedger]:
    """The ledger's entries by the domains' names."""
    ledger: dict[str, DomainLedger] = {}
    lives: Counter[str] = Counter()
    for row in rows:
        if enum_name("landmark.Account", int(row["state"])) == "free":
            continue
        name = _text(row["name"]) or f"domain{row['domain']}"
        lives[name] += 1  # a guest that was started again has an account for each life
        if lives[name] > 1:
            name = f"{name}#{lives[name]}"
        ledger[name] = _domain(name, row)
    return ledger


def _domain(name: str, row: Row) -> DomainLedger:
    reason = int(row["shutdown_reason"])
    counted = (
        "guest_ns",
        "hypervisor_ns",
        "waiting_ns",
        "blocked_ns",
        "hypercalls",
        "traps",
        "events_sent",
        "wakes",
    )
    counts = {field: int(row[field]) for field in (*counted, *PLAIN, "weight", "domain")}
    return DomainLedger(
        name=name,
        state=enum_name("landmark.Account", int(row["state"])),
        shutdown_reason=None if enum_name("landmark.Shutdown", reason) == "none" else reason,
        disks=_ring_use(row["disks"]),
        networks=_ring_use(row["networks"]),
        **counts,
    )


def _ring_use(row: Row) -> RingUse:
    return RingUse(**{name: int(row[name]) for name in row.dtype.names})


def policy_name(row: Row) -> str:
    """The name in a policy's report; empty if there is none."""
    return _text(row["name"])


def _policy(row: Row, known: dict[str, PolicyTable]) -> PolicyReport:
    name, count = _text(row["name"]), min(int(row["parameter_count"]), constant("plugin.max_parameters"))
    kind = enum_name("plugin.Kind", int(row["kind"]))
    policy = known.get(f"{kind}:{name}")
    names = [parameter.name for parameter in policy.parameters] if policy is not None else []
    names += [f"parameter{i}" for i in range(len(names), count)]
    ejected = int(row["ejected"])
    return PolicyReport(
        kind=kind,
        name=name,
        parameters={names[i]: int(row["parameters"][i]) for i in range(count)},
        ejected=enum_name("plugin.Fault", ejected) if ejected else None,
        hook=hook_name(kind, int(row["hook"])) if ejected else None,
        ejected_at=int(row["ejected_at"]),
        hook_calls=int(row["hook_calls"]),
        hook_ns=int(row["hook_ns"]),
        hook_max_ns=int(row["hook_max_ns"]),
        why=_text(row["why"]) if ejected else None,
    )


def _section(row: Row) -> NonPreemptibleSection:
    return NonPreemptibleSection(
        ns=int(row["ns"]),
        kind=enum_name("landmark.SectionKind", int(row["kind"])),
        number=int(row["number"]),
        domain=int(row["domain"]),
        pcpu=int(row["pcpu"]),
    )


def _pcpu(row: Row) -> PcpuLedger:
    return PcpuLedger(
        **{field: int(row[field]) for field in layout("landmark.Page")["pcpu_ledgers"].base.names or ()}
    )


def pcpu_count(page: Row) -> int:
    """Number of pCPUs, within the page's bounds whatever the page says."""
    return min(int(page["pcpus"]), constant("landmark.max_pcpus"))


def pcpus(page: Row) -> tuple[PcpuLedger, ...]:
    """The accounts of the pCPUs."""
    return tuple(_pcpu(row) for row in page["pcpu_ledgers"][: pcpu_count(page)])


def landmark(page: Row, ram: Memory, policies: dict[str, PolicyTable]) -> Landmark:
    """The page as typed values; `policies` by "kind:name" give the parameters their names."""
    rings = page["rings"][: pcpu_count(page)]
    plain = (
        "clock_hz",
        "clock_origin",
        "now",
        "started",
        "drains",
        "seed",
        "ram_frames",
        "free_frames",
        "free_frames_at_boot",
        "audit_runs",
        "audit_failures",
    )
    numbers = {field: int(page[field]) for field in plain}
    return Landmark(
        state=enum_name("landmark.State", int(page["state"])),
        exit_status=int(page["exit_status"]),
        message=_text(page["message"]),
        ledger=_ledger(page, ram),
        pcpus=pcpus(page),
        r_max=_section(page["r_max"]),
        policies=tuple(_policy(row, policies) for row in page["policies"] if row["kind"]),
        trace_written=tuple(int(ring["written"]) for ring in rings),
        trace_lost=tuple(int(ring["lost"]) for ring in rings),
        **numbers,
    )


def read_rings(page: Row, ram: Memory) -> list[npt.NDArray[Any]]:
    """The records that each pCPU's ring holds, in the order in which they were written."""
    return [ring_records(ring, ram) for ring in page["rings"][: pcpu_count(page)]]


def ring_records(ring: Row, ram: Memory) -> npt.NDArray[Any]:
    """The records that one ring holds. ValueError if the ring is not in RAM."""
    count = min(int(ring["written"]) - int(ring["drained"]), int(ring["capacity"]))
    return np.frombuffer(ram.read(int(ring["physical"]), count * RECORD.itemsize), dtype=RECORD)


def merge(rings: list[npt.NDArray[Any]]) -> tuple[npt.NDArray[Any], str]:
    """All records by time (ties: by pCPU, then as written), and the SHA-256 over the rings one after another."""
    digest = hashlib.sha256()
    for ring in rings:
        digest.update(np.ascontiguousarray(ring).view(np.uint8).data)
    if len(rings) == 1 and not np.any(np.diff(rings[0]["time"]) < 0):
        return rings[0], digest.hexdigest()
    records = np.concatenate(rings) if rings else np.zeros(0, dtype=RECORD)
    return records[np.argsort(records["time"], kind="stable")], digest.hexdigest()
