"""Bulkhead, a testbed for performance isolation: describe a `Machine`, run it, study the `Run`."""

from bootstrap.build import build_dir

__path__.append(str(build_dir("release") / "bindings"))  # the compiled module lives where it was built

from bulkhead.machine import RunOptions
from bulkhead.run import (
    DomainLedger,
    Landmark,
    PcpuLedger,
    PolicyReport,
    Run,
    Stretch,
    Versions,
)
from bulkhead.spec import (
    BulkheadError,
    GuestSpec,
    Machine,
    PolicySpec,
    SpecError,
    TimelineEntry,
)

__all__ = [
    "BulkheadError",
    "DomainLedger",
    "GuestSpec",
    "Landmark",
    "Machine",
    "PcpuLedger",
    "PolicyReport",
    "PolicySpec",
    "Run",
    "RunOptions",
    "SpecError",
    "Stretch",
    "TimelineEntry",
    "Versions",
]
