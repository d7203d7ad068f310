"""Bulkhead, a testbed for performance isolation: describe a `Machine`, run it, study the `Run`."""

from bootstrap.build import build_dir

__path__.append(str(build_dir("release") / "bindings"))  # the compiled module lives where it was built

from bulkhead.live.sample import DomainRates, Rates, Sample, rates
from bulkhead.live.steer import Done, Live
from bulkhead.live.watch import Watch
from bulkhead.machine import RunOptions
from bulkhead.memory_policy import MemoryPolicy
from bulkhead.metrics.trace import Trace
from bulkhead.result import Result, read_result
from bulkhead.ring_policy import RingPolicy
from bulkhead.run import (
    DomainLedger,
    Landmark,
    PcpuLedger,
    PolicyReport,
    Run,
    Stretch,
    Versions,
)
from bulkhead.scheduler import Decision, Scheduler, Stop
from bulkhead.sim import Costs
from bulkhead.spec import (
    BulkheadError,
    Disk,
    GuestSpec,
    Machine,
    Paging,
    PolicySpec,
    SpecError,
    TimelineEntry,
)
from bulkhead.timeline import Timeline

Guest = GuestSpec
Policy = PolicySpec

__all__ = [
    "BulkheadError",
    "Costs",
    "Decision",
    "Disk",
    "DomainLedger",
    "DomainRates",
    "Done",
    "Guest",
    "GuestSpec",
    "Landmark",
    "Live",
    "Machine",
    "MemoryPolicy",
    "Paging",
    "PcpuLedger",
    "Policy",
    "PolicyReport",
    "PolicySpec",
    "Rates",
    "Result",
    "RingPolicy",
    "Run",
    "RunOptions",
    "Sample",
    "Scheduler",
    "SpecError",
    "Stop",
    "Stretch",
    "Timeline",
    "TimelineEntry",
    "Trace",
    "Versions",
    "Watch",
    "rates",
    "read_result",
]
