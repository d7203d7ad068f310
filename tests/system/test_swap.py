"""One scheduler after another takes over the guests as they run: nobody is lost, weights stay, time adds up."""

from __future__ import annotations

import pytest
from machines import FAULTY, MILLISECOND, assert_sound, boot, said, workload

from bulkhead import Policy, Run, SpecError, TimelineEntry
from bulkhead.metrics import Schema, Trace, Window, run_intervals, shares
from bulkhead.policy.tables import built_policies

EVERY = 60 * MILLISECOND
WEIGHTED = ("credit", "credit2", "stride", "bvt", "eevdf")
LEFT_OUT = {"chaos", "pinned", "table", "rtds"}  # need parameters, or do not promise that everybody runs


def swaps(names: list[str], every: int = EVERY) -> tuple[TimelineEntry, ...]:
    return tuple(TimelineEntry((i + 1) * every, "swap", policy=Policy(name)) for i, name in enumerate(names))


def share_between(run: Run, name: str, start: int, end: int) -> float:
    domain = run.domain_id(name)
    intervals = run_intervals(Trace(run.trace, Schema.built()))
    return shares(intervals, Window(start, end), [domain], run.machine.pcpus)[domain]


@pytest.mark.parametrize("pcpus", (1, 2, 4))
def test_through_all_schedulers_nobody_is_lost(pcpus: int) -> None:
    names = sorted(set(built_policies("scheduler")) - LEFT_OUT)
    guests = [
        workload("cpu_hog", name="hog0"),
        workload("cpu_hog", name="hog1"),
        workload("timer_storm", name="storm"),
        workload("compute", name="compute"),
    ]
    run = boot(
        *guests,
        pcpus=pcpus,
        sched=Policy("round_robin"),
        timeline=swaps(names),
        duration=EVERY * (len(names) + 1),
    )
    assert_sound(run)
    assert len(run.select("policy_load")) == 1 + len(names), said(run)
    assert len(run.select("policy_eject")) == 0, said(run)
    moments = [int(record["time"]) for record in run.select("policy_load")][1:]
    for start, end in zip(moments, [*moments[1:], int(run.trace["time"][-1])]):
        for name in ("hog0", "hog1", "storm"):
            began = run.select("run_in", name)["time"]
            assert ((began >= start) & (began <= end)).any(), f"{name} was lost\n{said(run)}"


def test_weights_survive() -> None:
    every = 400 * MILLISECOND
    guests = (workload("cpu_hog", name="light", weight=100), workload("cpu_hog", name="heavy", weight=300))
    run = boot(
        *guests,
        sched=Policy(WEIGHTED[0]),
        timeline=swaps(WEIGHTED[1:], every),
        duration=every * len(WEIGHTED),
    )
    assert_sound(run)
    moments = [int(record["time"]) for record in run.select("policy_load")][1:]
    for start, end in zip(moments, [*moments[1:], int(run.trace["time"][-1])]):
        assert share_between(run, "heavy", start + every // 4, end) == pytest.approx(0.75, abs=0.06), said(
            run
        )


def test_a_swap_repeats_to_the_bit() -> None:
    def one() -> Run:
        guests = (workload("cpu_hog", name="a"), workload("event_storm", name="b"))
        return boot(*guests, pcpus=2, sched=Policy("round_robin"), timeline=swaps(["credit", "round_robin"]))

    assert one().trace_sha256 == one().trace_sha256


@pytest.mark.parametrize("way", (2, 3, 5, 7))
def test_a_successor_that_misbehaves_is_removed(way: int) -> None:
    bad = Policy(FAULTY, {"way": way})
    timeline = (
        TimelineEntry(EVERY, "swap", policy=bad),
        TimelineEntry(3 * EVERY, "swap", policy=Policy("credit")),
    )
    guests = (workload("cpu_hog", name="a"), workload("cpu_hog", name="b"))
    run = boot(*guests, pcpus=2, sched=Policy("round_robin"), timeline=timeline)
    assert_sound(run)
    (ejected,) = run.select("policy_eject")
    assert (
        run.landmark.policies[0].ejected is not None and run.landmark.policies[0].name == "misbehave"
    ), said(run)
    loads = [int(record["time"]) for record in run.select("policy_load")]
    assert loads[1] < int(ejected["time"]) < loads[2]
    for name in ("a", "b"):
        assert run.select("run_in", name)["time"].max() > loads[2], said(run)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (TimelineEntry(0, "swap"), "names the policy"),
        (TimelineEntry(0, "pause", "a", policy=Policy("credit")), "names the policy"),
        (TimelineEntry(0, "swap", policy=Policy("credits")), "unknown scheduler"),
        (TimelineEntry(0, "set_affinity", "a", 0b100), "not a mask"),
    ],
)
def test_bad_swaps_are_refused(entry: TimelineEntry, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        boot(workload("cpu_hog", name="a"), timeline=(entry,), pcpus=2)
