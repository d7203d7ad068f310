"""Bulkhead: a paravirtual hypervisor as a testbed for performance isolation. Describe a `Machine`, run it, study the `Run`."""

from bootstrap.build import build_dir

__path__.append(str(build_dir("release") / "bindings"))  # the compiled module lives where it was built

from bulkhead.machine import RunOptions  # noqa: E402
from bulkhead.run import DomainLedger, Landmark, PcpuLedger, PolicyReport, Run, Stretch, Versions  # noqa: E402
from bulkhead.spec import BulkheadError, GuestSpec, Machine, PolicySpec, SpecError, TimelineEntry  # noqa: E402

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
