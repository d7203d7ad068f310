"""A finished run: exit status, trace, ledger, consoles, versions. Read-only; drawn from by metrics and figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bulkhead.base.errors import SpecError
from bulkhead.base.html import MS, table
from bulkhead.base.schema import EXIT, event_number
from bulkhead.base.text import suggest
from bulkhead.model.landmark import Landmark, Versions
from bulkhead.model.machine import Machine

EXIT_TEXT = {
    EXIT["all_off"]: "all guests powered off",
    EXIT["bad_input"]: "bad input",
    EXIT["guest_crashed"]: "a guest crashed",
    EXIT["panicked"]: "the hypervisor panicked",
    EXIT["time_over"]: "time over",
}


MORE_RING = "; give the machine more trace_bytes, or fewer trace_groups"


class IncompleteTrace(UserWarning):
    """A run's trace lacks records, so that metrics of it would be wrong."""


@dataclass(frozen=True)
class Run:
    """A finished run."""

    machine: Machine
    exit_status: int  # 0 all off, 2 bad input, 3 guest crashed, 4 panic, 5 time over
    # Structured, fields of trace::Record, sorted by time (ties: by pCPU, then as written).
    trace: npt.NDArray[Any]
    trace_sha256: str  # over the written records of each pCPU's ring, pCPU by pCPU
    landmark: Landmark
    # By guest name; the hypervisor's own lines under "bulkhead", domain 0's under "dom0".
    consoles: dict[str, str]
    versions: Versions
    reproducible: bool  # False with KVM, or a clock that does not count instructions
    host_seconds: float  # how long it took on this computer; never part of a result
    lost_to: str | None = None  # why a run without a proper end stopped, e.g. "host timeout of 300 s"

    @property
    def incomplete(self) -> bool:
        """Whether records are missing from the trace. No experiment draws numbers from such a run."""
        return any(self.landmark.trace_lost)

    @property
    def complete(self) -> bool:
        """Whether the run came to its own end and its trace has every record."""
        return self.lost_to is None and not self.incomplete

    def domain_id(self, name: str) -> int:
        """Domain number of a guest; SpecError if it never existed."""
        if name not in self.landmark.ledger:
            raise SpecError(f"the run has no domain '{name}'{suggest(name, self.landmark.ledger)}")
        return self.landmark.ledger[name].domain

    def select(self, event: str, domain: str | None = None, code: int | None = None) -> npt.NDArray[Any]:
        """Trace records of one event (name as in the trace schema), of one domain, with one value in field `a`.

        SpecError for an event or a domain that does not exist.
        """
        mask = self.trace["event"] == event_number(event)
        if domain is not None:
            mask &= self.trace["domain"] == self.domain_id(domain)
        if code is not None:
            mask &= self.trace["a"] == code
        selected: npt.NDArray[Any] = self.trace[np.asarray(mask)]
        return selected

    def _repr_html_(self) -> str:
        """The ledger: one row for each domain, times in ms."""
        rows = [
            (
                row.name,
                row.weight,
                *(
                    f"{ns * MS:.2f}"
                    for ns in (row.guest_ns, row.hypervisor_ns, row.waiting_ns, row.blocked_ns)
                ),
                row.run_ins,
            )
            for row in self.landmark.ledger.values()
        ]
        head = (
            "domain",
            "weight",
            "guest [ms]",
            "hypervisor [ms]",
            "waiting [ms]",
            "blocked [ms]",
            "times run",
        )
        unexplained = sum(pcpu.error_ns for pcpu in self.landmark.pcpus)
        missing = (
            f" ({sum(self.landmark.trace_lost)} lost: the trace is incomplete)" if self.incomplete else ""
        )
        note = (
            f"{EXIT_TEXT.get(self.exit_status, self.exit_status)}; {len(self.trace)} trace records{missing}, "
            f"SHA-256 {self.trace_sha256[:12]}; {unexplained} ns unexplained"
        )
        return table("Run", head, rows, note)
