"""The same Linux, natively and as a guest: how long it boots, what its operations cost. Numbers are the guests' own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bulkhead.linux.image import find_initrd
from bulkhead.linux.kernel import DEBIAN_KERNEL, debian_kernel
from bulkhead.linux.native import Native, run_native
from bulkhead.linux.report import results, status
from bulkhead.run import Run
from bulkhead.spec import MIB, SECOND, BulkheadError, GuestSpec, Machine

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
    """What is compared: image and jobs, and how rows are read from both consoles and the guest's run."""

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


def _boot_rows(native: str, guest: str, run: Run) -> list[Row]:
    """From the kernel's first look at a clock to the first program; and for the guest also from its first instruction.

    The bare machine has no such instant that could be seen from outside: its kernel unpacks itself first.
    """
    alone, above = (_only(text, "boot", where) for text, where in ((native, "native"), (guest, "guest")))
    uptimes = int(alone["uptime_ns"]), int(above["uptime_ns"])
    began = int(run.select("domain_unpause", GUEST)["time"][0])
    start = int(run.select("run_start")["time"][0])
    since_start = int(above["tsc"]) - (began - start)
    return [
        Row("boot to the first program, by the kernel's clock", "ns", *uptimes),
        Row("the same, the guest from its first instruction", "ns", uptimes[0], since_start),
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
    return [*rows, Row("sysbench cpu, 2000 events", "s", *work)]


QUESTIONS = {
    "boot": Question("small", (), _boot_rows),
    "operations": Question("sysbench", ("micro", "sysbench-work:2000"), _operation_rows),
}


def compare(question: Question, memory: int = 512 * MIB, icount: int = 2, seed: int = 1) -> Comparison:
    """Boot both, one after the other. `memory` in bytes is the guest's and the bare machine's. BulkheadError if one fails."""
    jobs = " ".join(f"bulkhead.job={job}" for job in question.jobs)
    initrd = find_initrd(f"image:{question.image}")
    native = run_native(Native(debian_kernel(), initrd, jobs, memory, icount, seed))
    machine = Machine(
        guests=(GuestSpec(GUEST, DEBIAN_KERNEL, f"console=hvc0 {jobs}", str(initrd), memory),),
        memory=memory + HYPERVISOR_MEMORY,
        duration=120 * SECOND,
        icount=icount,
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
