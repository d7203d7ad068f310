"""A group of guests is one domain to the ring policy, as long as one of them has a disk."""

from __future__ import annotations

import pytest
from machines import BACKENDS, MILLISECOND, assert_sound, boot, said, workload

from bulkhead import MIB, Guest, GuestDisk, Policy, Run
from bulkhead.model.spec import TimelineEntry

LIMIT = 400  # requests per second of the group
HELD = 0.02  # two requests more or less in a second
GONE = 400  # ms: when the first member goes


def member(number: int) -> Guest:
    return workload(
        "disk",
        "depth=8 bytes=4096",
        name=f"member{number}",
        memory=8 * MIB,
        disks=(GuestDisk(4 * MIB),),
        ringctl={"limit": LIMIT},
        group="batch",
    )


def served(run: Run, names: tuple[str, ...], from_ms: int, to_ms: int) -> int:
    """Requests of these guests that the drive completed between two instants of the run."""
    done = run.select("ring_complete")
    began = int(run.trace["time"][0])
    within = (done["time"] >= began + from_ms * MILLISECOND) & (done["time"] < began + to_ms * MILLISECOND)
    return sum(int((done["domain"][within] == run.domain_id(name)).sum()) for name in names)


@pytest.mark.parametrize("backend", BACKENDS)
def test_members_share_one_limit_whichever_of_them_are_there(backend: str) -> None:
    names = ("member0", "member1", "member2")
    run = boot(
        *(member(i) for i in range(3)),
        ringctl=Policy("mclock"),
        timeline=(TimelineEntry(GONE * MILLISECOND, "destroy", names[0]),),
        duration=1_500 * MILLISECOND,
        backend=backend,
    )
    assert_sound(run)
    parts = [served(run, (name,), 100, 300) for name in names]
    assert sum(parts) == pytest.approx(LIMIT / 5, abs=4), said(run)
    assert min(parts) > 0, parts
    assert served(run, names[:1], 500, 1_500) == 0
    assert served(run, names[1:], 500, 1_500) == pytest.approx(LIMIT, rel=HELD), said(run)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_new_weight_of_a_member_is_the_groups(backend: str) -> None:
    other = workload("disk", "depth=8 bytes=4096", name="other", memory=8 * MIB, disks=(GuestDisk(4 * MIB),))
    members = tuple(
        workload(
            "disk",
            "depth=8 bytes=4096",
            name=f"member{i}",
            memory=8 * MIB,
            disks=(GuestDisk(4 * MIB),),
            group="batch",
        )
        for i in range(2)
    )
    run = boot(
        other,
        *members,
        ringctl=Policy("sfq"),
        timeline=(TimelineEntry(500 * MILLISECOND, "set_weight", "member1", 768),),
        duration=1_500 * MILLISECOND,
        backend=backend,
    )
    assert_sound(run)
    for (begin, end), ratio in {(100, 500): 1.0, (600, 1_500): 3.0}.items():
        group = served(run, ("member0", "member1"), begin, end)
        assert group / served(run, ("other",), begin, end) == pytest.approx(ratio, rel=HELD), (begin, end)
