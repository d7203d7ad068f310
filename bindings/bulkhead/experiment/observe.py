"""A finished run as metrics want to see it: guests by name, a measured window, intervals worked out once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from fractions import Fraction
from functools import cached_property
from typing import Any

from bulkhead import metrics
from bulkhead.base.errors import BulkheadError, SpecError
from bulkhead.base.schema import enum_value
from bulkhead.base.text import suggest
from bulkhead.experiment.point import DRAIN, WARM_UP, Point
from bulkhead.metrics import Delays, Fluid, Intervals, Progress, Schema, Trace, Window
from bulkhead.metrics.fluid import limit
from bulkhead.metrics.trace import Records
from bulkhead.model.run import Run
from bulkhead.model.spec import WORKLOAD_PREFIX


class Observed:
    """One run of one point.

    The measured window ends with the run and is as long as the run's duration less the warm-up. So all points of an
    experiment are measured over windows of one length, whatever building their guests took.
    """

    def __init__(self, run: Run, point: Point, schema: Schema | None = None, label: str = "") -> None:
        self.run = run
        self.point = point
        self._label = label or point.label
        self.trace = metrics.trace_of(run) if schema is None else Trace(run.trace, schema)

    @classmethod
    def of(cls, run: Run, point: Point, label: str) -> Observed:
        """A run of the point, under its label."""
        return cls(run, point, label=label)

    @cached_property
    def window(self) -> Window:
        """The measured window. BulkheadError if a workload became ready only inside it, or the run was cut short."""
        end = self._end()
        window = Window(end - self.point.duration_ns + self.point.number(WARM_UP) * 1_000_000, end)
        if window.start < self.trace.whole.start:
            raise BulkheadError(f"{self._label}: the run ended before its duration was over")
        for guest in self.run.machine.guests:
            if guest.kernel.startswith(WORKLOAD_PREFIX):
                self._require_begun(guest.name, "ready", window)
        return window

    @cached_property
    def beginnings(self) -> Window:
        """When delays may begin that are measured: the measured window without the drain at its end."""
        known = DRAIN in self.point.settings or DRAIN in self.point.levels
        drain = self.point.number(DRAIN) * 1_000_000 if known else 0
        return Window(self.window.start, max(self.window.start, self.window.end - drain))

    def _end(self) -> int:
        ends = self.trace.of("run_end")
        if not len(ends):
            raise BulkheadError(
                f"{self._label}: the trace has no end ({self.run.lost_to or 'run cut short'})"
            )
        return int(ends["time"][-1])

    def _require_begun(self, guest: str, code: str, window: Window) -> None:
        """BulkheadError for a guest that begins only inside the window: it would be measured over less than the window."""
        marks = self.marks(guest, code)
        if not len(marks) or int(marks["time"][0]) > window.start:
            raise BulkheadError(
                f"{self._label}: guest {guest} left no mark '{code}' before the measured window began; "
                f"raise {WARM_UP}"
            )

    @cached_property
    def guests(self) -> tuple[str, ...]:
        """Names of the guests, without domain 0, as declared."""
        return tuple(guest.name for guest in self.run.machine.guests)

    @cached_property
    def domains(self) -> dict[str, int]:
        """Domain numbers by name, with domain 0."""
        return {name: row.domain for name, row in self.run.landmark.ledger.items()}

    def _domain(self, guest: str) -> int:
        """Number of a guest's domain. SpecError, with a suggestion, if the run has no such guest."""
        if guest not in self.domains:
            raise SpecError(f"{self._label}: no guest is named '{guest}'{suggest(guest, self.domains)}")
        return self.domains[guest]

    @cached_property
    def running(self) -> Intervals:
        """When vCPUs ran."""
        return metrics.run_intervals(self.trace)

    @cached_property
    def runnable(self) -> Intervals:
        """When vCPUs wanted to run."""
        return metrics.runnable_intervals(self.trace)

    @cached_property
    def idle(self) -> Intervals:
        """When pCPUs halted."""
        return metrics.idle_intervals(self.trace)

    @cached_property
    def fluid(self) -> Fluid:
        """The ideal schedule of all domains, domain 0 among them."""
        caps = {self.domains[g.name]: g.cap for g in self.run.machine.guests}
        weights = {row.domain: row.weight for row in self.run.landmark.ledger.values()}
        return metrics.fluid_schedule(
            self.running, self.runnable, self.window, weights, caps, self.run.machine.pcpus
        )

    def marks(self, guest: str, code: str) -> Records:
        """A guest's marks of one code, by the name in the guest runtime."""
        return self.trace.marks(self._domain(guest), enum_value("guest.Mark", code, "mark of a guest"))

    def share(self, guests: Iterable[str]) -> dict[str, float]:
        """Part of all pCPU time that each guest ran (0..1)."""
        names = {self._domain(guest): guest for guest in guests}
        by_domain = metrics.shares(self.running, self.window, names, self.run.machine.pcpus)
        return {names[domain]: share for domain, share in by_domain.items()}

    def entitlement(self, guests: Iterable[str]) -> dict[str, float]:
        """Part of all pCPU time that each guest is due if all guests always want to run: by weight, caps and vCPUs."""
        machine = self.run.machine
        weights = {i: guest.weight for i, guest in enumerate(machine.guests)}
        limits = {i: limit(guest.vcpus, guest.cap) for i, guest in enumerate(machine.guests)}
        rates = metrics.entitled_shares(weights, limits, machine.pcpus)
        by_number = {self._domain(guest.name): rates[i] for i, guest in enumerate(machine.guests)}
        return {guest: float(by_number[self._domain(guest)] / Fraction(machine.pcpus)) for guest in guests}

    def progress(self, guest: str) -> Progress:
        """Operations that a guest marked in the window."""
        return metrics.throughput(self.marks(guest, "operations"), self.window)

    def wake_to_run(self, guest: str) -> Delays:
        """Waiting time of the guest's vCPUs after each wake."""
        return metrics.wake_to_run(self.trace, self.beginnings, self._domain(guest))

    def between(self, first: tuple[str, str], second: tuple[str, str]) -> Delays:
        """From marks of one (guest, code) to those of another with the same sequence number.

        BulkheadError if the first such mark came only inside the window.
        """
        self._require_begun(*first, self.window)
        return metrics.pair_marks(self.marks(*first), self.marks(*second), self.beginnings)

    def open_loop(self, sender: str) -> Delays:
        """From the instant each request was due at its sender to its reply. BulkheadError as `between`."""
        self._require_begun(sender, "request_sent", self.window)
        deadlines, sent, replies = (
            self.marks(sender, code) for code in ("deadline", "request_sent", "reply_received")
        )
        return metrics.open_loop(deadlines, sent, replies, self.beginnings)

    def job_start(self, guest: str) -> Delays:
        """From each release of a periodic guest to its first instruction for that job. BulkheadError as `between`."""
        self._require_begun(guest, "request_seen", self.window)
        deadlines, seen = self.marks(guest, "deadline"), self.marks(guest, "request_seen")
        return metrics.open_loop(deadlines, seen, seen, self.beginnings)

    def job_response(self, guest: str) -> Delays:
        """From each release of a periodic guest to the end of that job. BulkheadError as `between`."""
        self._require_begun(guest, "request_seen", self.window)
        deadlines, seen, done = (
            self.marks(guest, code) for code in ("deadline", "request_seen", "response_sent")
        )
        return metrics.open_loop(deadlines, seen, done, self.beginnings)

    def timer_lateness(self, guest: str) -> Delays:
        """How late the guest's timers expired."""
        return metrics.timer_lateness(self.trace, self.window, self._domain(guest))

    def skew(self, guest: str) -> dict[str, Any]:
        """Progress skew, largest lag, longest gap and longest wait of a guest [ns]."""
        domain = self._domain(guest)
        own, wanted = self.running.of_domain(domain), self.runnable.of_domain(domain)
        return {
            "progress": self.fluid.progress_skew(domain),
            "largest_lag": self.fluid.largest_lag(domain),
            "longest_gap": metrics.longest_gap(own, self.window),
            "longest_wait": metrics.longest_wait(own, wanted, self.window),
        }

    def lag_by_window(self, guest: str, lengths_ms: Iterable[int]) -> dict[str, int | None]:
        """Largest |lag| [ns] within any window of each length, under the length in ms."""
        domain = self._domain(guest)
        return {str(ms): self.fluid.lag_in_windows(domain, ms * 1_000_000) for ms in lengths_ms}

    def fairness(self, guests: Iterable[str]) -> dict[str, Any]:
        """Jain's index and the least of received / entitled over the guests."""
        ratios = metrics.service_ratios(self.fluid, [self._domain(guest) for guest in guests])
        return {"jain": metrics.jain(ratios), "least": min(ratios.values(), default=None)}


def summary(delays: Delays) -> dict[str, int | None]:
    """Percentiles as a metric's value."""
    return asdict(metrics.summarise(delays))
