"""The public names of the package: what `import bulkhead` offers. Importing it registers the back ends."""

from bulkhead.backend.sim import Costs
from bulkhead.base.errors import BulkheadError, SpecError
from bulkhead.base.units import MIB, SECOND
from bulkhead.live.steer import Live
from bulkhead.live.watch import Watch
from bulkhead.metrics.trace import Trace
from bulkhead.model.landmark import (
    DomainLedger,
    Landmark,
    NonPreemptibleSection,
    PcpuLedger,
    PolicyReport,
    RingUse,
    Versions,
)
from bulkhead.model.machine import Machine
from bulkhead.model.options import RunOptions
from bulkhead.model.run import Run
from bulkhead.model.sample import DomainRates, Rates, RingRates, Sample, rates
from bulkhead.model.spec import (
    Disk,
    Guest,
    GuestDisk,
    GuestNet,
    Network,
    Paging,
    Placement,
    Policy,
    TimelineEntry,
)
from bulkhead.model.timeline import Done, Timeline
from bulkhead.policy.memory import MemoryDomain, MemoryHost, MemoryPolicy
from bulkhead.policy.ring import Request, Ring, RingDomain, RingPolicy
from bulkhead.policy.scheduler import Decision, Domain, Host, Pcpu, Scheduler, Stop, Vcpu
from bulkhead.policy.tables import Parameter
from bulkhead.result import Result, read_result

__all__ = [
    "BulkheadError",
    "Costs",
    "Decision",
    "Disk",
    "Domain",
    "DomainLedger",
    "DomainRates",
    "Done",
    "Guest",
    "GuestDisk",
    "GuestNet",
    "Host",
    "Landmark",
    "Live",
    "MIB",
    "Machine",
    "MemoryDomain",
    "MemoryHost",
    "MemoryPolicy",
    "Network",
    "NonPreemptibleSection",
    "Paging",
    "Placement",
    "Parameter",
    "Pcpu",
    "PcpuLedger",
    "Policy",
    "PolicyReport",
    "Rates",
    "RingRates",
    "RingUse",
    "Request",
    "Result",
    "Ring",
    "RingDomain",
    "RingPolicy",
    "Run",
    "RunOptions",
    "SECOND",
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
