"""Reads a running machine's account from its RAM while the hypervisor writes it. Only looks: nothing in the machine can tell.

The ledger is its own sequence counter (abi/landmark.hpp): every number only grows, and a posting goes to a domain's entry,
then to a pCPU's total, then to the instant until which the account is posted. They are read in the opposite order. If the
totals make up exactly the time until the instants that were read first, and the entries make up exactly the totals, nothing
was posted in between; if not, all is read again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bulkhead.backend.landmark import (
    Memory,
    Row,
    domains,
    ledger_place,
    pcpu_count,
    pcpus,
    policy_name,
    read_page,
)
from bulkhead.base.layouts import layout, part
from bulkhead.base.schema import constant, enum_name
from bulkhead.model.sample import Sample

TRIES = 50  # then the machine posts faster than this computer reads


@dataclass(frozen=True)
class Account:
    """The landmark page and the ledger's rows. `exact`: of one instant."""

    page: Row
    rows: Row
    exact: bool


def _adds_up(ends: Row, rows: Row, page: Row) -> bool:
    count = pcpu_count(page)
    totals = page["pcpu_ledgers"][:count]
    wall = int(ends["end"][:count].sum() - totals["start"].sum())
    named = [int(totals[field].sum()) for field in ("guest_ns", "hypervisor_ns")]
    if sum(named) + int(totals["idle_ns"].sum() + totals["unbilled_ns"].sum()) != wall:
        return False
    return [int(rows[field].sum()) for field in ("guest_ns", "hypervisor_ns")] == named


def read_account(ram: Memory) -> Account:
    """The account as it is now. BulkheadError if the hypervisor has not written one yet."""
    page_type, entry = layout("landmark.Page"), layout("landmark.LedgerEntry")
    page = read_page(ram)
    at = constant("landmark.physical_address")
    pcpus_type, offset = part(page_type, "pcpu_ledgers")
    for _ in range(TRIES):
        where, used = ledger_place(page)
        ends = ram.read(at + offset, pcpus_type.itemsize)
        entries = ram.read(where, used * entry.itemsize)
        page = np.frombuffer(ram.read(at, page_type.itemsize), dtype=page_type)[0]
        rows = np.frombuffer(entries, dtype=entry)
        if ledger_place(page) == (where, used) and _adds_up(
            np.frombuffer(ends, dtype=pcpus_type.base), rows, page
        ):
            return Account(page, rows, True)
    return Account(page, rows, False)


def sample_of(account: Account, duration: int, host_seconds: float) -> Sample:
    """The account as a `Sample`; `duration` is the run's."""
    page = account.page
    ledgers = pcpus(page)
    now = max((pcpu.end for pcpu in ledgers), default=0)
    started = int(page["started"])
    return Sample(
        at=now - started if started else min(-1, now - 1),
        duration=duration,
        state=enum_name("landmark.State", int(page["state"])),
        scheduler=policy_name(page["policies"][0]),
        domains=domains(account.rows),
        pcpus=ledgers,
        ram_frames=int(page["ram_frames"]),
        free_frames=int(page["free_frames"]),
        exact=account.exact,
        host_seconds=host_seconds,
    )
