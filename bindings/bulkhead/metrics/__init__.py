"""Metrics of isolation, from a trace and a ledger. Pure functions of a finished run; nothing here starts or changes one.

Times are integer nanoseconds of real time and exact; only ratios are floating point. Definitions: `docs/metrics.md`.
"""

from bulkhead.metrics.accounting import (
    CapacityLost,
    LedgerRow,
    accounting_skew,
    capacity_lost,
    idle_while_runnable,
    ledger_table,
    ledger_unbilled_share,
)
from bulkhead.metrics.clock import ClockSkew, clock_skew
from bulkhead.metrics.fairness import jain, service_ratios
from bulkhead.metrics.fluid import Fluid, entitled_shares, fluid_schedule
from bulkhead.metrics.intervals import Intervals, idle_intervals, run_intervals, runnable_intervals
from bulkhead.metrics.latency import (
    Delays,
    Summary,
    mark_values,
    open_loop,
    pair_marks,
    summarise,
    timer_lateness,
    wake_to_run,
)
from bulkhead.metrics.service import least_service, longest_gap, longest_wait, received, shares
from bulkhead.metrics.trace import Schema, Trace, TraceError, Window, trace_of
from bulkhead.metrics.work import Progress, degradation, slowdown, throughput

__all__ = [
    "CapacityLost",
    "ClockSkew",
    "Delays",
    "Fluid",
    "Intervals",
    "LedgerRow",
    "Progress",
    "Schema",
    "Summary",
    "Trace",
    "TraceError",
    "Window",
    "accounting_skew",
    "capacity_lost",
    "clock_skew",
    "degradation",
    "entitled_shares",
    "fluid_schedule",
    "idle_intervals",
    "idle_while_runnable",
    "jain",
    "least_service",
    "ledger_table",
    "ledger_unbilled_share",
    "longest_gap",
    "longest_wait",
    "mark_values",
    "open_loop",
    "pair_marks",
    "received",
    "run_intervals",
    "runnable_intervals",
    "service_ratios",
    "shares",
    "slowdown",
    "summarise",
    "throughput",
    "timer_lateness",
    "trace_of",
    "wake_to_run",
]
