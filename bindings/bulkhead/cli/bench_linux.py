"""The same Linux, natively and as a guest: how long it boots, what its operations cost. Numbers are the guests' own."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from bulkhead.backend.qemu.native import Native, run_native
from bulkhead.base.errors import BulkheadError
from bulkhead.base.units import MIB, SECOND
from bulkhead.linux.image import find_initrd
from bulkhead.linux.kernel import DEBIAN_KERNEL, debian_kernel
from bulkhead.linux.report import results, status
from bulkhead.model.machine import Machine
from bulkhead.model.run import Run
from bulkhead.model.spec import Guest

GUEST = "linux"
HYPERVISOR_MEMORY = 256 * MIB


@dataclass(frozen=True)
class Row:
    """One quantity, native and as a guest, in the same unit."""

    name: str
    unit: str
    native: float
    guest: float

    @property
    def ratio(self) -> float:
        """Guest over native."""
        return self.guest / self.native


@dataclass(frozen=True)
class Comparison:
    """Rows, and the guest's run that they come from."""

    rows: tuple[Row, ...]
    run: Run
    native_console: str


@dataclass(frozen=True)
class Question:
    """A comparison: image and jobs, and how rows are read from both consoles and the guest's run."""

    image: str
    jobs: tuple[str, ...]
    rows: Callable[[str, str, Run], list[Row]]


def _only(console: str, name: str, where: str) -> dict[str, str]:
    found = results(console, name)
    if not found:
        raise BulkheadError(
            f"{where} Linux printed no line 'RESULT name={name}': {console.splitlines()[-3:]}"
        )
    return found[0]


def _frame_list_walk(console: str) -> int:
    """Nanoseconds that the kernel took to lay out its frame list, by the times in its own messages.

    A PV kernel built with CONFIG_XEN_MEMORY_HOTPLUG_LIMIT=512, as Debian's is, looks there at every frame that 512 GiB
    would have, however small it is and whatever it runs on; a native one has no such list.
    """
    messages = re.finditer(r"\[ *(\d+)\.(\d{6})\] (.*)", console)
    times = {m[3].split(" at ")[0].split(" page")[0]: int(m[1] + m[2]) * 1000 for m in messages}
    return times.get("Remapped 0", 0) - times["p2m virtual area"] if "p2m virtual area" in times else 0


def _boot_rows(native: str, guest: str, run: Run) -> list[Row]:
    """To the first program by the kernel's clock, with and without the frame list; and the guest's whole life.

    A bare machine's kernel unpacks itself before it keeps time, so its first instruction cannot be seen from outside.
    """
    alone, above = (_only(text, "boot", where) for text, where in ((native, "native"), (guest, "guest")))
    uptimes = int(alone["uptime_ns"]), int(above["uptime_ns"])
    born, ended = (
        int(run.select(event, GUEST)["time"][0]) for event in ("domain_unpause", "domain_shutdown")
    )
    walk = _frame_list_walk(guest)
    return [
        Row("boot to the first program", "ns", *uptimes),
        Row(
            "without the frame list for 512 GiB that only a PV kernel has",
            "ns",
            uptimes[0],
            uptimes[1] - walk,
        ),
        Row("the guest from its first instruction until it is off", "ns", uptimes[0], ended - born),
    ]


def _operation_rows(native: str, guest: str, run: Run) -> list[Row]:
    """Every operation of the job micro, and sysbench's fixed piece of work."""
    alone, above = (
        {row["operation"]: row["ns"] for row in results(t, "micro") if "ns" in row} for t in (native, guest)
    )
    rows = [Row(name, "ns", float(alone[name]), float(above[name])) for name in alone if name in above]
    work = [
        float(_only(text, "sysbench-work", where)["seconds"])
        for text, where in ((native, "native"), (guest, "guest"))
    ]
    return [*rows, Row("sysbench cpu, 10000 events", "s", *work)]


QUESTIONS = {
    "boot": Question("small", (), _boot_rows),
    "operations": Question("sysbench", ("micro", "sysbench-work:10000"), _operation_rows),
}


def compare(
    question: Question, memory: int = 512 * MIB, ns_per_instruction: int = 4, seed: int = 1
) -> Comparison:
    """Boot both, one after the other. `memory` in bytes is the guest's and the bare machine's. BulkheadError if one fails."""
    jobs = " ".join(f"bulkhead.job={job}" for job in question.jobs)
    initrd = find_initrd(f"image:{question.image}")
    native = run_native(Native(debian_kernel(), initrd, jobs, memory, ns_per_instruction, seed))
    machine = Machine(
        guests=(Guest(GUEST, DEBIAN_KERNEL, f"console=hvc0 {jobs}", str(initrd), memory),),
        memory=memory + HYPERVISOR_MEMORY,
        duration=120 * SECOND,
        ns_per_instruction=ns_per_instruction,
        seed=seed,
        trace_groups=("lifecycle",),
        console_rate=0,
    )
    run = machine.run()
    said = run.consoles.get(GUEST, "")
    if run.exit_status != 0:
        raise BulkheadError(
            f"the guest did not power off (status {run.exit_status}): {said.splitlines()[-3:]}"
        )
    for job in question.jobs:
        name = job.partition(":")[0]
        for text, where in ((native, "native"), (said, "guest")):
            if status(text, name) != 0:
                raise BulkheadError(f"job {name} failed in the {where} Linux: {text.splitlines()[-3:]}")
    return Comparison(tuple(question.rows(native, said, run)), run, native)
