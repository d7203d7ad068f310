"""Linux guests under memory policies: memcached beside guests that take, fragment and churn memory, and a tax on idle memory."""

from __future__ import annotations

from linux_guests import assert_done, linux
from machines import assert_sound, said, workload

from bulkhead import MIB, SECOND, Guest, Machine, Paging, Policy, Run
from bulkhead.linux.report import results

FIRST, MOST, VALUES = 128, 192, 20  # MiB: of Linux at the start and at most; what the client fetches
EACH = 48  # MiB of an attacker at most
BOOTED = 9_000  # ms: when the attackers begin
FETCHING = 800  # ms
JOB = f"memcached:{VALUES}:{FETCHING}:300:48"
MOST_LOST = 0.05


def attackers() -> tuple[Guest, ...]:
    """On the second pCPU. The memory policy admits them first."""
    sizes = {"memory": 4 * MIB, "max_memory": EACH * MIB, "affinity": (1,)}
    names = ("memory_hoard", "memory_fragment", "memory_thrash")
    words = f"swap_us=410 sleep_first_ms={BOOTED}"
    return tuple(workload(name, words, name=name, **sizes) for name in names)


def run_of(policy: str, *others: Guest) -> Run:
    """Linux with memcached is alone on the first pCPU. `min_max` reserves all that it may have."""
    victim = linux(
        "victim",
        JOB,
        image="cache",
        memory=FIRST * MIB,
        max_memory=MOST * MIB,
        affinity=(0,),
        memctl={"min": MOST} if policy == "min_max" else {},
    )
    run = Machine(
        guests=(*others, victim),
        pcpus=2,
        sched=Policy("credit2"),
        memctl=Policy(policy),
        memory=(MOST + 244) * MIB,
        dom0_memory=60 * MIB,
        paging=Paging(period_us=100_000, sampled=0),
        duration=13 * SECOND,
    ).run()
    assert_sound(run)
    assert_done(run, "victim", "memcached")
    return run


def hits_per_second(run: Run) -> float:
    """Values that the client found in memcached."""
    (row,) = results(run.consoles["victim"], "cachebench")
    print(row)
    return int(row["hits"]) * 1e9 / int(row["ns"])


def test_a_reservation_keeps_memcached_going_and_first_come_does_not() -> None:
    alone = hits_per_second(run_of("min_max"))
    for policy in ("min_max", "first_fit"):
        run = run_of(policy, *attackers())
        lost = 1 - hits_per_second(run) / alone
        print(f"{policy}: {100 * lost:.1f} % lost")
        assert lost <= MOST_LOST if policy == "min_max" else lost > 0.5, said(run)
        for name in ("memory_fragment", "memory_thrash"):
            assert len(run.select("memory_release", name)) > 100, f"{name} gave nothing back"


def test_a_tax_on_idle_memory_governs_two_linux_and_two_small_guests() -> None:
    sizes = {"max_memory": MOST * MIB}
    run = Machine(
        guests=(
            linux("first", "memory", **sizes),
            linux("second", "memory", **sizes),
            workload("memory_hoard", "for_ms=10000", name="hoarder", memory=4 * MIB, max_memory=100 * MIB),
            workload("memory", "for_ms=10000 set_mib=40", name="user", memory=4 * MIB, max_memory=48 * MIB),
        ),
        pcpus=2,
        sched=Policy("credit2"),
        memctl=Policy("idle_tax"),
        memory=512 * MIB,
        dom0_memory=60 * MIB,
        paging=Paging(period_us=200_000, by_force=0),  # before Linux has its balloon driver, it cannot obey
        duration=12 * SECOND,
    ).run()
    assert_sound(run)
    for name in ("first", "second"):
        assert_done(run, name, "memory")
        assert len(run.select("memory_sample", name)) > 10, "its use of pages was not looked at"
        assert len(run.select("memory_target", name)) > 1, "its target never moved"
    assert run.landmark.policies and all(policy.ejected is None for policy in run.landmark.policies)
