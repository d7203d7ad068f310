"""What every kind of policy promises, and how a promise is tried: oracles over runs of random machines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bulkhead.backend.sim import simulate
from bulkhead.model.run import Run

# Of a run: why the promise does not hold, or None.
Oracle = Callable[[Run], str | None]


@dataclass(frozen=True)
class Verdict:
    """One promise: whether it holds wherever it was tried, or why it was not tried (`holds` is then None)."""

    promise: str
    holds: bool | None
    detail: str  # where it does not hold, how often it was tried, or why it was not


def stays(run: Run) -> str | None:
    """Whether no policy was ejected."""
    found = next((report for report in run.landmark.policies if report.ejected), None)
    return f"ejected: {found.ejected} in {found.hook}" if found is not None else None


def accounts(run: Run) -> str | None:
    """Whether the accounts of the pCPUs add up."""
    error = sum(abs(pcpu.error_ns) for pcpu in run.landmark.pcpus)
    return f"{error} ns unexplained" if error else None


def repeats(run: Run) -> str | None:
    """Whether the machine does the same again."""
    again = simulate(run.machine)
    return None if again.trace_sha256 == run.trace_sha256 else "the same machine gave another trace"


def tried(promises: Sequence[tuple[str, Oracle]], runs: Sequence[Run]) -> Iterator[Verdict]:
    """Each promise, with the first seed that breaks it."""
    for promise, oracle in promises:
        broken = next(((run, why) for run in runs if (why := oracle(run)) is not None), None)
        if broken is None:
            yield Verdict(promise, True, f"{len(runs)} random machines")
        else:
            yield Verdict(promise, False, f"seed {broken[0].machine.seed}: {broken[1]}")
