"""Bulkhead, a testbed for performance isolation: describe a `Machine`, run it, study the `Run`."""

from bootstrap.build import build_dir

__path__.append(str(build_dir("release") / "bindings"))  # the compiled module lives where it was built

from bulkhead.live.sample import Blocks, DomainRates, Rates, Sample, rates
from bulkhead.live.steer import Done, Live
from bulkhead.live.watch import Watch
from bulkhead.machine import RunOptions
from bulkhead.memory_policy import MemoryDomain, MemoryHost, MemoryPolicy
from bulkhead.metrics.trace import Trace
from bulkhead.policies import Parameter
from bulkhead.result import Result, read_result
from bulkhead.ring_policy import Request, Ring, RingDomain, RingPolicy
from bulkhead.run import (
    DomainLedger,
    Landmark,
    NonPreemptibleSection,
    PcpuLedger,
    PolicyReport,
    Run,
    Versions,
)
from bulkhead.scheduler import Decision, Domain, Host, Pcpu, Scheduler, Stop, Vcpu
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
    "Blocks",
    "BulkheadError",
    "Costs",
    "Decision",
    "Disk",
    "Domain",
    "DomainLedger",
    "DomainRates",
    "Done",
    "Guest",
    "GuestSpec",
    "Host",
    "Landmark",
    "Live",
    "Machine",
    "MemoryDomain",
    "MemoryHost",
    "MemoryPolicy",
    "NonPreemptibleSection",
    "Paging",
    "Parameter",
    "Pcpu",
    "PcpuLedger",
    "Policy",
    "PolicyReport",
    "PolicySpec",
    "Rates",
    "Request",
    "Result",
    "Ring",
    "RingDomain",
    "RingPolicy",
    "Run",
    "RunOptions",
    "Sample",
    "Scheduler",
    "SpecError",
    "Stop",
    "Timeline",
    "TimelineEntry",
    "Trace",
    "Vcpu",
    "Versions",
    "Watch",
    "rates",
    "read_result",
]
