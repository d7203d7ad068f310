"""Bulkhead, a testbed for performance isolation: describe a `Machine`, run it, study the `Run`."""

from bootstrap.build import build_dir

__path__.append(str(build_dir("release") / "bindings"))  # the compiled module lives where it was built

from bulkhead.machine import RunOptions
from bulkhead.metrics.trace import Trace
from bulkhead.result import Result, read_result
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
    GuestSpec,
    Machine,
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
    "DomainLedger",
    "Guest",
    "GuestSpec",
    "Landmark",
    "Machine",
    "PcpuLedger",
    "Policy",
    "PolicyReport",
    "PolicySpec",
    "Result",
    "Run",
    "RunOptions",
    "Scheduler",
    "SpecError",
    "Stop",
    "Stretch",
    "Timeline",
    "TimelineEntry",
    "Trace",
    "Versions",
    "read_result",
]
