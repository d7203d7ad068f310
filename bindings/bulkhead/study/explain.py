"""Why a vCPU was not running, in words and numbers: what ran instead, by which decisions of which policy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bulkhead.base.schema import enum_value
from bulkhead.base.text import format_ns
from bulkhead.metrics import TraceError, Window, run_intervals, runnable_intervals
from bulkhead.metrics.requests import requests
from bulkhead.metrics.trace import Records
from bulkhead.metrics.waits import Wait, cause, decisions, longest, ran_during, waits
from bulkhead.model.landmark import PolicyReport
from bulkhead.model.run import Run
from bulkhead.model.spec import Guest
from bulkhead.study.names import CAUSES, Names

EJECTION = "ejection.txt"
SHOWN = 8  # vCPUs, and decisions


def explain_longest(names: Names, vcpu: tuple[int, int]) -> list[str]:
    """The longest wait of a vCPU."""
    found = longest(waits(names.trace, [vcpu]))
    if found is None:
        return [f"{names.vcpu(*vcpu)} never waited: whenever it was runnable it ran."]
    return _wait(names, found)


def explain_at(names: Names, vcpu: tuple[int, int], at: int) -> list[str]:
    """Why a vCPU was not running at an instant, or that it was."""
    for wait in waits(names.trace, [vcpu]):
        if wait.window.start <= at < wait.window.end:
            return _wait(names, wait)
    own = run_intervals(names.trace).of_vcpu(*vcpu)
    here = (own.start <= at) & (at < own.end)
    name = names.vcpu(*vcpu)
    if here.any():
        chosen = own.where(here)
        span = f"from {names.since(int(chosen.start[0]))} to {names.since(int(chosen.end[0]))}"
        return [f"{name} was running at {names.since(at)}: on pCPU {int(chosen.pcpu[0])}, {span}."]
    lines = [f"{name} did not want to run at {names.since(at)}: {_asleep(names, vcpu, at)}."]
    waiting = sum(one.domain == vcpu[0] and one.outstanding(at) for one in requests(names.trace))
    if waiting:
        lines.append(
            f"Its guest waited for {waiting} requests then: --requests {names.domain(vcpu[0])} says for which."
        )
    return lines


def _asleep(names: Names, vcpu: tuple[int, int], at: int) -> str:
    """Since when and until when a vCPU was blocked, paused or not there."""
    wanted = runnable_intervals(names.trace).of_vcpu(*vcpu)
    before, after = wanted.end[wanted.end <= at], wanted.start[wanted.start > at]
    until = f"until {names.since(int(after.min()))}" if len(after) else "to the end of the run"
    if not len(before):
        return f"it was not yet started or blocked, {until}"
    since = int(before.max())
    outs = names.trace.of("run_out")
    last = outs[(outs["domain"] == vcpu[0]) & (outs["vcpu"] == vcpu[1]) & (outs["time"] == since)]
    why = names.stop(int(last[-1]["a"])) if len(last) else "paused or gone"
    return f"{why} from {names.since(since)} {until}"


def _wait(names: Names, wait: Wait) -> list[str]:
    window, name = wait.window, names.vcpu(wait.domain, wait.vcpu)
    lines = [
        f"{name} waited {format_ns(window.length)} for a pCPU, from {names.since(window.start)} to "
        f"{names.since(window.end)}.",
        f"It became runnable because of {_cause(names, wait)}.",
        f"In charge was {policy_at(names, window.start)}; {_end(names, wait)}.",
        *_settings(names, wait.domain),
        "",
        *what_ran(names, window),
        "",
        *last_decisions(names, window),
    ]
    return lines


def _cause(names: Names, wait: Wait) -> str:
    found = cause(names.trace, wait)
    if not len(found):
        return "something before the trace began"
    if int(found[0]["event"]) == names.trace.number("wake"):
        return f"a wake: {CAUSES[min(int(found[0]['a']), len(CAUSES) - 1)]}"
    return f"losing pCPU {int(found[0]['pcpu'])} ({names.stop(int(found[0]['a']))})"


def _end(names: Names, wait: Wait) -> str:
    ins = names.trace.of("run_in")
    own = ins[(ins["domain"] == wait.domain) & (ins["vcpu"] == wait.vcpu) & (ins["time"] == wait.window.end)]
    if not len(own):
        return "it never ran before the run ended or it was stopped"
    return f"then it got pCPU {int(own[0]['pcpu'])} for a slice of {format_ns(int(own[0]['a']))}"


def _settings(names: Names, domain: int) -> Iterator[str]:
    """What the guest was given that a scheduler may heed."""
    guest: Guest | None = next((g for g in names.run.machine.guests if g.name == names.domain(domain)), None)
    if guest is None:
        return
    parts = [f"weight {guest.weight}", f"cap {guest.cap} %" if guest.cap else "no cap"]
    if guest.affinity is not None:
        parts.append(f"pCPUs {', '.join(map(str, guest.affinity))} only")
    parts += [f"{key}={value}" for key, value in guest.sched.items()]
    yield f"{guest.name} has {', '.join(parts)}."


def policy_at(names: Names, time: int, kind: str = "scheduler") -> str:
    """The policy of a kind (scheduler, memory, ring) that was in charge at an instant."""
    loads = names.trace.of("policy_load", "policy_eject")
    loaded = [report.name for report in names.run.landmark.policies if report.kind == kind]
    of_number, number = enum_value("plugin.Kind", kind, "kind"), names.trace.number("policy_load")
    taken, fallback = 0, False
    for record in loads[loads["time"] <= time]:
        if int(record["event"]) == number and int(record["a"]) == of_number:
            fallback = int(record["b"]) == 0
            taken += not fallback
        elif int(record["event"]) != number and int(record["a"]) >> 32 == of_number:
            fallback = True
    if fallback or not taken or taken > len(loaded):
        return "the built-in fallback" if fallback or not loaded else f"the policy {loaded[0]}"
    return f"the policy {loaded[taken - 1]}"


def what_ran(names: Names, window: Window) -> list[str]:
    """A row for each vCPU that ran in a window, and what is left of the pCPUs' time."""
    rows, pcpus = ran_during(names.trace, window), names.run.machine.pcpus
    whole = max(1, window.length * pcpus)
    lines = [f"What ran meanwhile, of {pcpus} x {format_ns(window.length)}:"]
    for row in rows[:SHOWN]:
        lines.append(
            f"  {names.vcpu(row.domain, row.vcpu):20} pCPU {row.pcpu:<2} {row.times:6} times "
            f"{format_ns(row.ns):>10} {100 * row.ns / whole:6.1f} %"
        )
    if len(rows) > SHOWN:
        rest = sum(row.ns for row in rows[SHOWN:])
        lines.append(f"  {len(rows) - SHOWN} others{'':31} {format_ns(rest):>10} {100 * rest / whole:6.1f} %")
    free = max(0, window.length * pcpus - sum(row.ns for row in rows))
    lines.append(f"  {'idle, switches':46} {format_ns(free):>10} {100 * free / whole:6.1f} %")
    return lines


def last_decisions(names: Names, window: Window) -> list[str]:
    """The last decisions of a window, one line each."""
    records = decisions(names.trace, window)
    lines = [f"The last of {len(records)} decisions:"]
    return lines + [
        f"  {_decision(names, records[i : i + 1])}" for i in range(max(0, len(records) - SHOWN), len(records))
    ]


def _decision(names: Names, record: Records) -> str:
    one = record[0]
    when = f"{names.since(int(one['time']))} pCPU {int(one['pcpu'])}"
    if int(one["event"]) == names.trace.number("idle_in"):
        return f"{when}: idle"
    who = names.vcpu(int(one["domain"]), int(one["vcpu"]))
    return f"{when}: {who} for {format_ns(int(one['a']))}, after a wait of {format_ns(int(one['b']))}"


def ejection(names: Names) -> list[str]:
    """Why the scheduler was ejected: hook, the vCPU that waited longest then, what ran, the last decisions; empty if none was."""
    lines: list[str] = []
    for report in names.run.landmark.policies:
        if report.ejected is None:
            continue
        at = report.ejected_at
        lines.append(
            f"{report.kind} {report.name} was ejected at {names.since(at)}: {report.ejected} in the hook {report.hook}"
            f"{_what(report)}"
        )
        if report.kind == "scheduler":
            lines += _at_ejection(names, at)
    return lines


def _what(report: PolicyReport) -> str:
    """What it did beyond the kind of the fault, if the host says more."""
    return f", {report.why}" if report.why else ""


def _at_ejection(names: Names, at: int) -> list[str]:
    waiting = [wait for wait in waits(names.trace) if wait.window.start < at <= wait.window.end]
    decided = last_decisions(
        names, Window(names.trace.whole.start, at - 1)
    )  # at that instant the fallback decides
    if not waiting:
        return ["No vCPU waited then.", *decided]
    first = min(waiting, key=lambda wait: wait.window.start)
    window = Window(first.window.start, at)
    name = names.vcpu(first.domain, first.vcpu)
    return [
        f"The longest wait then: {name}, for {format_ns(window.length)} since {names.since(window.start)}.",
        *_settings(names, first.domain),
        *what_ran(names, window),
        *decided,
    ]


def ejection_of(run: Run) -> list[str]:
    """`ejection` of a run, also of one whose trace is incomplete or contradicts itself."""
    if all(report.ejected is None for report in run.landmark.policies):
        return []
    try:
        return ejection(Names(run, incomplete=True))
    except TraceError as error:
        found = (report for report in run.landmark.policies if report.ejected is not None)
        return [
            f"{one.kind} {one.name} was ejected: {one.ejected} in the hook {one.hook}{_what(one)} ({error})"
            for one in found
        ]


def keep_ejection(run: Run, folder: Path) -> None:
    """The same as a file beside the run; no file if no policy was ejected."""
    (folder / EJECTION).unlink(missing_ok=True)
    if lines := ejection_of(run):
        (folder / EJECTION).write_text("\n".join(lines) + "\n", encoding="utf-8")
