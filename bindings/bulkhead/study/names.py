"""Names in a run: of domains, vCPUs and reasons; and instants as a user writes them."""

from __future__ import annotations

from functools import cached_property

from bulkhead.base.errors import SpecError
from bulkhead.base.schema import enum_name
from bulkhead.base.text import parse_duration, parse_integer, suggest
from bulkhead.metrics import Trace, trace_of
from bulkhead.model.run import Run

CAUSES = ("it was unpaused", "an event", "its timer", "a kick")  # of a wake, by number
MOST_VCPUS = 32


class Names:
    """A run with its decoded trace; instants are counted from the end of building, as everywhere else for users."""

    def __init__(self, run: Run, incomplete: bool = False) -> None:
        self.run = run
        self.trace: Trace = trace_of(run, incomplete)
        self.origin = run.landmark.started

    @cached_property
    def _by_number(self) -> dict[int, str]:
        return {row.domain: name for name, row in self.run.landmark.ledger.items()}

    def domain(self, number: int) -> str:
        """Name of a domain."""
        return self._by_number.get(number, f"domain {number}")

    def vcpu(self, domain: int, vcpu: int) -> str:
        """As a user writes it: victim.0."""
        return f"{self.domain(domain)}.{vcpu}"

    def stop(self, reason: int) -> str:
        """Why a vCPU stopped running, in words."""
        return enum_name("sched.Stop", reason).replace("_", " ")

    def parse_vcpu(self, text: str) -> tuple[int, int]:
        """Domain and vCPU of "victim.0", or of "victim" for its first. SpecError names what there is."""
        known = self.run.landmark.ledger
        name, number = text, "0"
        if text not in known and "." in text:
            name, _, number = text.rpartition(".")
        if name not in known:
            raise SpecError(f"--vcpu {text}: the run has no domain '{name}'{suggest(name, known)}")
        return known[name].domain, parse_integer(number, f"--vcpu {text}", 0, MOST_VCPUS - 1)

    def parse_domain(self, text: str, option: str) -> int:
        """A domain's number by its name. SpecError names what there is."""
        known = self.run.landmark.ledger
        if text not in known:
            raise SpecError(f"{option} {text}: the run has no domain '{text}'{suggest(text, known)}")
        return known[text].domain

    def parse_instant(self, text: str, option: str) -> int:
        """Real time [ns] of "123.4ms" after the end of building. SpecError if the run was over then."""
        at = self.origin + (0 if text == "0" else parse_duration(text, option))
        whole = self.trace.whole
        if not whole.start <= at <= whole.end:
            last = (whole.end - self.origin) / 1e6
            raise SpecError(f"{option} {text} is outside the run, which ends at {last:.6g}ms")
        return at

    def since(self, time: int) -> str:
        """An instant as `parse_instant` reads it, to the nanosecond."""
        return f"{(time - self.origin) / 1e6:.6f} ms"
