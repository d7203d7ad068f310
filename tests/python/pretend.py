"""A back end that makes runs up: one pCPU, slices of a fixed length, a boost for woken vCPUs under one of its policies.

It stands in for a machine where only the stages after the capture are tested. Nothing it says is ever a result.
"""

from __future__ import annotations

import hashlib
from collections import deque

import numpy as np
from bulkhead.machine import RunOptions
from bulkhead.metrics import Window, received, run_intervals
from bulkhead.run import (
    DomainLedger,
    Landmark,
    NonPreemptibleSection,
    PcpuLedger,
    PolicyReport,
    Run,
    Versions,
)
from bulkhead.spec import Machine
from synthetic import RECORD, Script

MS = 1_000_000
SLICE = 5 * MS
SERVICE = 50_000
READY = 1 * MS
OVERHEAD = 2_000
VERSIONS = Versions(commit="0" * 40, dirty=False, qemu="none", compiler="none", trace_schema=1)


def pretend(machine: Machine, options: RunOptions | None = None) -> Run:
    """A finished run of the machine, made up from its guests' workloads and its scheduler's name."""
    script = _schedule(machine)
    trace = script.trace(0, READY + machine.duration)
    records = trace.records.astype(RECORD)
    domains = {"dom0": 0} | {guest.name: i + 1 for i, guest in enumerate(machine.guests)}
    if options and options.progress:
        options.progress(1.0)
    return Run(
        machine=machine,
        exit_status=5,
        trace=records,
        trace_sha256=hashlib.sha256(records.tobytes()).hexdigest(),
        landmark=_landmark(
            machine, domains, received(run_intervals(trace), trace.whole, domains.values()), trace.whole
        ),
        consoles={name: "" for name in domains},
        versions=VERSIONS,
        reproducible=True,
        host_seconds=0.1,
    )


def _schedule(machine: Machine) -> Script:
    """Busy guests take turns; a request arrives each 2 ms and is served at once (boost) or after the whole queue."""
    script, end = Script(), READY + machine.duration
    numbers = {guest.name: i + 1 for i, guest in enumerate(machine.guests)}
    busy = deque(
        n
        for name, n in numbers.items()
        if machine.guests[n - 1].kernel != "workload:responder" and name != "pinger"
    )
    for domain in numbers.values():
        script.woke(0, domain).marks(domain, "ready", [(READY // 2, 0)])
    now, done, sequence = READY, dict.fromkeys(numbers.values(), 0), 0
    due = READY + 2 * MS
    boost = machine.sched is not None and machine.sched.name == "credit"
    while now < end:
        if "pinger" in numbers and due <= now:
            now = _serve(script, numbers, due, now, sequence)
            sequence, due = sequence + 1, due + 2 * MS
        elif busy:
            stop = min(now + SLICE, end, max(due, now + 1) if boost and "pinger" in numbers else end)
            domain = busy[0]
            busy.rotate(-1)
            script.ran(now, stop, domain)
            done[domain] += (stop - now) // 1000
            script.marks(domain, "operations", [(stop, done[domain])])
            now = stop + OVERHEAD
        else:
            stop = min(due, end)
            script.idled(now, stop)
            now = stop
    return script


def _serve(script: Script, numbers: dict[str, int], due: int, now: int, sequence: int) -> int:
    pinger, victim = numbers["pinger"], numbers["victim"]
    script.woke(due, victim)
    script.marks(pinger, "deadline", [(due, due)]).marks(pinger, "request_sent", [(due, sequence)])
    script.add(due, "timer_fire", pinger, a=due, b=1)
    script.ran(now, now + SERVICE, victim, "blocked")
    script.marks(victim, "request_seen", [(now + 500, sequence)])
    script.marks(victim, "response_sent", [(now + SERVICE - 1, sequence)])
    script.marks(pinger, "reply_received", [(now + SERVICE, sequence)])
    return now + SERVICE


def _landmark(machine: Machine, domains: dict[str, int], ran: dict[int, int], whole: Window) -> Landmark:
    used = sum(ran.values())
    idle = whole.length - used
    name = machine.sched.name if machine.sched else "fallback"
    return Landmark(
        state="finished",
        exit_status=5,
        message="",
        clock_hz=1_000_000_000,
        clock_origin=0,
        now=whole.end,
        seed=machine.seed,
        ram_frames=1,
        free_frames=1,
        free_frames_at_boot=1,
        audit_runs=1,
        audit_failures=0,
        ledger={n: _account(n, d, ran[d]) for n, d in domains.items()},
        pcpus=(PcpuLedger(0, whole.end, used, 0, idle, 0),),
        r_max=NonPreemptibleSection(12_345, "hypercall", 1, 1, 0),
        policies=(PolicyReport("scheduler", name, {"slice": 5000}, None, 0, 0, 100, 1000, 50),),
        trace_written=(1,),
        trace_lost=(0,),
    )


def _account(name: str, domain: int, ran: int) -> DomainLedger:
    return DomainLedger(name, domain, "alive", 256, ran, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, None)


def cut_short(machine: Machine, options: RunOptions | None = None) -> Run:
    """A run whose trace has no end."""
    run = pretend(machine, options)
    trace = run.trace[:-1]
    return Run(**{**run.__dict__, "trace": np.asarray(trace), "lost_to": "host timeout of 1 s"})
