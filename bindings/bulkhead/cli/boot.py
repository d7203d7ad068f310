"""`bulkhead boot`: any Xen PV kernels, their consoles, and how they ended."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import List, Optional

import typer

from bulkhead.backend.qemu.console import HYPERVISOR
from bulkhead.base.errors import SpecError
from bulkhead.base.paths import output_folder
from bulkhead.base.terminal import Terminal
from bulkhead.base.text import parse_duration, parse_size, suggest
from bulkhead.cli.parse import parse_dom0, parse_guests, parse_length
from bulkhead.cli.progress import Progress
from bulkhead.cli.summary import print_summary
from bulkhead.cli.watch import EVERY, Watcher
from bulkhead.model.machine import Machine
from bulkhead.model.options import RunOptions
from bulkhead.model.spec import Paging, Policy
from bulkhead.policy.choose import parse_policy
from bulkhead.study.explain import keep_ejection

LONGEST_SESSION = 24 * 3600.0  # seconds of this computer
USUAL_TIME, USUAL_SESSION = "2s", "3600s"


def _policy(kind: str, text: str | None) -> Policy | None:
    return parse_policy(kind, text) if text is not None else None


def boot(
    guest: List[str] = typer.Option(
        [], help="kernel=PATH|workload:NAME[,abi=pv32][,initrd=PATH][,cmdline=TEXT][,mem=64M]..."
    ),
    pcpus: int = typer.Option(1, help="Physical CPUs of the machine."),
    sched: Optional[str] = typer.Option(None, help="Scheduler, NAME[:p=v,...]; default: the built-in one."),
    memctl: Optional[str] = typer.Option(None, help="Memory policy, NAME[:p=v,...]; default: none decides."),
    ringctl: Optional[str] = typer.Option(None, help="Ring policy, NAME[:p=v,...]."),
    backend: str = typer.Option("qemu", help="qemu, or sim: models of the guests in the simulator."),
    for_: Optional[str] = typer.Option(
        None, "--for", help="How long, in the machine's time; 2s, or an hour at a terminal."
    ),
    dom0: str = typer.Option("", help="Domain 0: mem=16M,weight=256, and sched.NAME=VALUE as for a guest."),
    mem: str = typer.Option("512M", help="Memory of the machine."),
    accel: str = typer.Option("tcg", help="tcg, kvm or auto; only tcg is reproducible."),
    ns_per_instruction: str = typer.Option(
        "auto", help="Length of an instruction of a pCPU in ns; auto: 4, or what many pCPUs need; off."
    ),
    parallel: bool = typer.Option(
        True, help="A pCPU's speed is its own; not so: idle pCPUs lend theirs, and the run is faster."
    ),
    guard: str = typer.Option(
        "normal",
        help="strict: a policy that writes beyond its own memory is ejected at once, and hooks take longer.",
    ),
    linear_tables: bool = typer.Option(
        True, help="Guests may map page tables of a level in tables of the same level."
    ),
    seed: int = typer.Option(1, help="Seed of everything random."),
    console: Optional[str] = typer.Option(
        None, help="Show only this guest's console; in a terminal it is interactive, and Ctrl-] ends the run."
    ),
    trace: Optional[str] = typer.Option(None, help="Also record these groups: hypercall,trap."),
    trace_size: str = typer.Option(
        "16M",
        help="Trace ring of each pCPU. A full one is drained; under KVM its further records are lost, and counted.",
    ),
    zones: int = typer.Option(
        1, help="Equal parts of memory that a memory policy tells apart, 1 to 64: its zones."
    ),
    colours: bool = typer.Option(
        False, "--colours", help="Zones are colours of a cache, not contiguous parts of memory."
    ),
    watch: bool = typer.Option(
        False, "--watch", help="Show each domain's CPU, events, memory and I/O while the machine runs."
    ),
    out: Optional[Path] = typer.Option(None, help="Keep trace, ledger and consoles in this folder."),
) -> int:
    """Boot Xen PV kernels. Ends when all guests are off or the time is over.

    Exit status: 0 all guests powered off, 2 bad arguments or a guest that the memory policy refused, 3 a guest crashed,
    4 the hypervisor panicked, 5 time over.
    """
    at_terminal = sys.stdin.isatty() and sys.stdout.isatty() and backend == "qemu"
    interactive = console not in (None, HYPERVISOR, "dom0") and at_terminal
    machine = Machine(
        guests=parse_guests(guest),
        sched=_policy("scheduler", sched),
        memctl=_policy("memory", memctl),
        ringctl=_policy("ring", ringctl),
        pcpus=pcpus,
        memory=parse_size(mem, "--mem"),
        duration=parse_duration(for_ or (USUAL_SESSION if interactive else USUAL_TIME), "--for"),
        accel=accel,
        ns_per_instruction=parse_length(ns_per_instruction),
        parallel=parallel,
        guard=guard,
        linear_tables=linear_tables,
        seed=seed,
        trace_groups=Machine.trace_groups + tuple(trace.split(",") if trace else ()),
        trace_bytes=parse_size(trace_size, "--trace-size"),
        paging=Paging(zones=zones, colours=int(colours)),
        **(parse_dom0(dom0) if dom0 else {}),
    )
    names = [spec.name for spec in machine.guests]
    if console is not None and console not in (*names, HYPERVISOR, "dom0"):
        raise SpecError(f"--console: no guest is named '{console}'{suggest(console, names)}")

    if out is not None:
        output_folder(out)
    if watch and interactive:
        raise SpecError("--watch needs the terminal that --console is to have; give one of the two")

    def show(name: str, line: str) -> None:
        if console is None:
            print(f"{name}| {line}", flush=True)
        elif name == console:
            print(line, flush=True)

    if interactive:
        with Terminal() as terminal:
            options = RunOptions(out=out, terminal=terminal, host_timeout=LONGEST_SESSION)
            result = replace(machine, terminal=console).run(options)
    elif watch:
        with Watcher() as watcher:
            options = RunOptions(out=out, console=watcher.above(show), watch=watcher.show, watch_every=EVERY)
            result = machine.run(options, backend)
    else:
        with Progress("running") as progress:
            options = RunOptions(out=out, console=progress.above(show), progress=progress.fraction)
            result = machine.run(options, backend)
    print_summary(result, sys.stdout)
    if out is not None:
        keep_ejection(result, out)
    return result.exit_status
