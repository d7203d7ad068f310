"""Bulkhead: a paravirtual hypervisor as a testbed for performance isolation. Describe a `Machine`, run it, study the `Run`."""

from bulkhead.machine import RunOptions
from bulkhead.run import DomainLedger, Landmark, PcpuLedger, PolicyReport, Run, Stretch, Versions
from bulkhead.spec import BulkheadError, GuestSpec, Machine, PolicySpec, SpecError, TimelineEntry

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
