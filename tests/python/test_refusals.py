"""Guests that a memory policy refuses, and simulated machines that cannot be: one clear error or answer for each."""

from __future__ import annotations

from dataclasses import replace

import kind_oracles
import pytest
from bulkhead.backend.sim import Costs, simulate
from bulkhead.base.errors import BulkheadError, SpecError
from bulkhead.base.units import MIB
from bulkhead.cli import main
from bulkhead.experiment.runner import RunRequest, run_experiment
from bulkhead.model.machine import Machine
from bulkhead.model.run import Run
from bulkhead.model.spec import Guest, Paging, Policy, TimelineEntry
from kind_machines import DISKS, MEMORIES, MILLISECOND


def sized(*mib: int) -> tuple[Guest, ...]:
    return tuple(Guest(f"g{i}", "model:memory", memory=size * MIB) for i, size in enumerate(mib))


def refused(run: Run) -> str:
    """What the run says of it."""
    assert run.exit_status == 2
    return run.landmark.message


def test_a_refused_guest_is_no_success() -> None:
    machine = replace(
        MEMORIES,
        guests=sized(40, 40, 40),
        memctl=Policy("first_fit"),
        memory=110 * MIB,
        end_when_idle=True,
    )
    assert refused(simulate(machine)) == (
        "guest g2 was refused by the memory policy first_fit (44 MiB in 4 zones; see --mem, --zones)"
    )


def test_who_is_created_later_and_refused_is_an_answer() -> None:
    machine = replace(
        MEMORIES, guests=sized(40, 400), absent=("g1",), memory=128 * MIB, memctl=Policy("first_fit")
    )
    with machine.start(backend="sim") as live:
        live.run_until("50ms")
        with pytest.raises(BulkheadError, match="create g1 at .*: there is not enough memory"):
            live.act("create", "g1")
        run = live.finish()
    assert run.exit_status == 5 and "g1 was refused by" in run.landmark.message


def test_an_experiment_whose_guest_is_refused_says_so(tmp_path) -> None:  # type: ignore[no-untyped-def]
    request = RunRequest(
        "memory_hoard", quick=True, sets=("memctl=coloring", "corunners=hoarder"), backend="sim", out=tmp_path
    )
    with pytest.raises(
        BulkheadError, match="guest victim was refused by the memory policy coloring .*1 zone;"
    ):
        run_experiment(request)


def test_zones_can_be_had() -> None:
    machine = replace(MEMORIES, guests=sized(16, 16), memctl=Policy("coloring"), paging=Paging(zones=1))
    assert "g1 was refused by the memory policy coloring (42 MiB in 1 zone;" in refused(simulate(machine))
    run = simulate(replace(machine, paging=Paging(zones=4)))
    assert run.exit_status == 5 and run.landmark.ledger["g1"].frames_owned > 0
    words = ["boot", "--backend", "sim", "--memctl", "coloring", "--mem", "108M", "--for", "20ms"]
    words += [
        word for guest in ("a", "b") for word in ("--guest", f"kernel=model:memory,name={guest},mem=16M")
    ]
    assert [main([*words, "--zones", zones]) for zones in ("1", "4", "0")] == [2, 5, 2]


def test_a_reservation_above_its_limit_is_refused() -> None:
    guests = (replace(sized(40)[0], memctl={"min": 20, "max": 10}),)
    run = simulate(replace(MEMORIES, guests=guests, memctl=Policy("min_max")))
    assert "g0 was refused by the memory policy min_max (min=20, max=10, 42 MiB" in refused(run)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"guests": sized(512, 512)}, "guest g1: no guest can live with less than a sixteenth of its memory"),
        ({"guests": sized(8, 1024), "absent": ("g1",)}, "of 42 MiB for guests there would have to be 64 MiB"),
        ({"memory": 1 << 50}, "the machine: 1073741824 MiB of memory are too much.* at most 256G"),
        ({"guests": sized(1 << 30)}, "guest g0: 1073741824 MiB of memory are too much"),
        ({"guests": (replace(DISKS.guests[0], cmdline="depth=100"),)}, "option depth: write 1 to 64"),
        ({"guests": (replace(DISKS.guests[0], cmdline="depth=0"),)}, "option depth: write 1 to 64"),
    ],
)
def test_machines_that_cannot_be(change: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        simulate(replace(MEMORIES, **{"memctl": Policy("first_fit"), **change}))  # type: ignore[arg-type]


class RandomRings(kind_oracles.Fifo):
    """Keeps what it draws."""

    name = "random_rings"
    drawn: list[int]

    def enqueue(self, request, now):  # type: ignore[no-untyped-def]
        DRAWN["ring"].append(self.host.random())
        super().enqueue(request, now)


class RandomMemory(kind_oracles.FirstFit):
    """Keeps what it draws."""

    name = "random_memory"

    def rebalance(self, domains, now):  # type: ignore[no-untyped-def]
        DRAWN["memory"].append(self.host.random())
        return super().rebalance(domains, now)


DRAWN: dict[str, list[int]] = {"ring": [], "memory": []}


def test_policies_of_two_kinds_draw_different_numbers() -> None:
    simulate(
        replace(DISKS, memctl=RandomMemory.spec(), ringctl=RandomRings.spec(), paging=Paging(period_us=1000))
    )
    assert len(DRAWN["ring"]) > 50 and len(DRAWN["memory"]) > 50
    assert not set(DRAWN["ring"]) & set(DRAWN["memory"])


# ns for 64 frames: a break, the work for them (4 ns an instruction), the timer
PACE = 500_000 + 64 * Costs.read(None).instructions["give"] * 4 + 4_000


@pytest.mark.parametrize("policy", ["min_max", "idle_tax", "working_set"])
@pytest.mark.parametrize("period_us", [1_000, 100_000])
def test_force_begins_a_period_after_the_patience_and_goes_on_at_its_pace(
    policy: str, period_us: int
) -> None:
    patience = 50 * MILLISECOND
    machine = Machine(
        guests=(
            Guest("hoarder", "model:memory_hoard", "stubborn=1", memory=60 * MIB),
            Guest("comes", "model:memory", "work_us=5", memory=60 * MIB),
        ),
        absent=("comes",),
        timeline=(TimelineEntry(300 * MILLISECOND, "create", "comes"),),
        memory=140 * MIB,
        trace_bytes=32 * MIB,
        memctl=Policy(policy, {"patience": patience // MILLISECOND}),
        paging=Paging(period_us=period_us, by_force=2),
        duration=900 * MILLISECOND,
        end_when_idle=False,
    )
    run = simulate(machine)
    taken = run.select("memory_reclaim")
    assert set(taken["domain"]) == {1} and len(taken) > 10
    lowered = [row for row in run.select("memory_target") if row["domain"] == 1][1]
    begins = int(lowered["time"]) + patience
    times = taken["time"].astype("int64")
    assert begins <= times[0] <= begins + 1000 * period_us + MILLISECOND
    assert times[9] - times[0] <= 9 * PACE
    excess = int(lowered["b"]) - int(lowered["a"])
    if policy == "min_max":  # the others' targets move on meanwhile
        assert int(taken["b"].sum()) == excess
        assert times[-1] <= begins + 1000 * period_us + MILLISECOND + excess // 64 * PACE
