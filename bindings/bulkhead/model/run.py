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
from bulkhead.model.summary import account_lines

EXIT_TEXT = {
    EXIT["all_off"]: "all guests powered off",
    EXIT["bad_input"]: "bad input",
    EXIT["guest_crashed"]: "a guest crashed",
    EXIT["panicked"]: "the hypervisor panicked",
    EXIT["time_over"]: "time over",
}


MOST_DOMAINS = 6  # of a printed run
MORE_RING = "; give the machine more trace_bytes, or fewer trace_groups"


class IncompleteTrace(UserWarning):
    """A run's trace lacks records, so that metrics of it would be wrong."""


@dataclass(frozen=True, repr=False)
class Run:
    """A finished run. `print(run)` is a summary of at most ten lines."""

    machine: Machine
    exit_status: int  # 0 all off, 2 bad input, 3 guest crashed, 4 panic, 5 time over
    # Structured, fields of trace::Record, sorted by time (ties: by pCPU, then as written).
    trace: npt.NDArray[Any]
    trace_sha256: str  # over the written records of each pCPU's ring, pCPU by pCPU
    landmark: Landmark
    # By guest name; the hypervisor's own lines under "bulkhead", domain 0's under "dom0".
    consoles: dict[str, str]
    versions: Versions
    reproducible: bool  # False with KVM, a real device, or a clock that does not count instructions
    host_seconds: float  # how long it took on this computer; never part of a result
    lost_to: str | None = None  # why a run without a proper end stopped, e.g. "host timeout of 300 s"
    warnings: tuple[str, ...] = ()  # settings of the machine that had no effect

    @property
    def end(self) -> str:
        """Why it ended, in words."""
        known = EXIT_TEXT.get(self.exit_status, f"exit status {self.exit_status}")
        return self.lost_to if self.lost_to is not None else known

    def __repr__(self) -> str:
        """At most ten lines: the end, the busiest domains, the machine, the policies and the trace."""
        mark, lost = self.landmark, f", {sum(self.landmark.trace_lost)} lost" if self.incomplete else ""
        ejected = "".join(
            f"; {p.name} was ejected: {p.ejected} in {p.hook}" for p in mark.policies if p.ejected
        )
        last = f"   {len(self.trace)} trace records{lost}, SHA-256 {self.trace_sha256[:12]}{ejected}"
        return "\n".join([*account_lines(mark, self.end, MOST_DOMAINS), last])

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
