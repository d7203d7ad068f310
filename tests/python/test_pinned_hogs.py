"""Hogs that are pinned to one of two pCPUs share it in turns of a millisecond or more, beside any load on the other."""

from __future__ import annotations

import pytest

from bulkhead import MIB, SECOND, Guest, Machine, Policy

SHARED = ("bvt", "credit", "credit2", "credit_sampled", "eevdf", "round_robin", "stride")
MOST_TURNS = 600  # of a guest in a second; a clock that pinned domains never catch once made it 8,462


@pytest.mark.parametrize("others", (0, 1, 2))
@pytest.mark.parametrize("sched", SHARED)
def test_turns_stay_long(sched: str, others: int) -> None:
    pinned = [Guest(f"pinned{i}", "workload:cpu_hog", memory=4 * MIB, affinity=(0,)) for i in range(2)]
    free = [Guest(f"free{i}", "workload:cpu_hog", memory=4 * MIB) for i in range(others)]
    machine = Machine(guests=(*pinned, *free), sched=Policy(sched), pcpus=2, duration=SECOND)
    run = machine.run(backend="sim")
    for guest in machine.guests:
        assert 40 <= len(run.select("run_in", guest.name)) <= MOST_TURNS
