"""Domain 0 in a whole machine: the timeline, restarts, and what it does with the frames of guests that are gone."""

from __future__ import annotations

from machines import MILLISECOND, SHORT, assert_sound, boot, said, workload

from bulkhead import MIB, Guest, Run, TimelineEntry
from bulkhead.base import paths

LIFE = 25 * MILLISECOND
NEVER = 1_000_000 * MILLISECOND
SMALL = 4 * MIB
PAGES = 16 * 256  # of a workload with 16 MiB


def times(run: Run, event: str, name: str) -> list[int]:
    """When an event of a guest's first domain happened."""
    domain = run.domain_id(name)
    return [int(record["time"]) for record in run.select(event) if int(record["domain"]) == domain]


def test_the_timeline_is_played_in_order_and_on_time() -> None:
    plan = [
        TimelineEntry(20 * MILLISECOND, "unpause", "late"),
        TimelineEntry(40 * MILLISECOND, "pause", "late"),
        TimelineEntry(60 * MILLISECOND, "set_weight", "late", 512),
        TimelineEntry(60 * MILLISECOND, "unpause", "late"),
        TimelineEntry(80 * MILLISECOND, "destroy", "late"),
        TimelineEntry(100 * MILLISECOND, "audit"),
    ]
    run = boot(
        workload("cpu_hog", name="late", start_paused=True),
        workload("compute", "for_ms=150"),
        timeline=tuple(plan),
        duration=1000 * MILLISECOND,
    )
    played = run.select("timeline")
    began = times(run, "domain_unpause", "compute")[0]
    assert len(played) == len(plan), said(run)
    for record, entry in zip(played, plan):
        late = int(record["time"]) - began - entry.at
        assert -MILLISECOND < late < 45 * MILLISECOND, (entry, late)
    assert len(times(run, "domain_unpause", "late")) == 2
    assert len(times(run, "domain_pause", "late")) == 1
    gone = run.select("domain_gone")
    assert int(gone["a"][0]) == PAGES, "every frame came back"
    assert "audit found" not in run.consoles["dom0"], said(run)
    assert run.landmark.audit_runs == 2 and run.landmark.audit_failures == 0, "the planned one, and the last"
    assert run.landmark.r_max.ns < SHORT, "an audit is not a long non-preemptible section"
    assert run.exit_status == 0, said(run)


def test_a_guest_on_the_timeline_is_built_when_its_time_comes() -> None:
    run = boot(
        workload("cpu_hog", "for_ms=100"),
        workload("compute", "for_ms=20"),
        timeline=(TimelineEntry(30 * MILLISECOND, "create", "compute"),),
        duration=1000 * MILLISECOND,
    )
    began = times(run, "domain_unpause", "cpu_hog")[0]
    assert times(run, "domain_create", "compute")[0] - began >= 30 * MILLISECOND
    assert "RESULT name=compute" in run.consoles["compute"], said(run)
    assert run.exit_status == 0, said(run)


def test_a_guest_that_dies_in_a_loop_is_put_off_longer_each_time() -> None:
    run = boot(
        Guest("die", "workload:die_first", on_crash="restart"),
        workload("compute", "for_ms=900"),
        duration=1000 * MILLISECOND,
    )
    born = [int(record["time"]) for record in run.select("domain_create") if int(record["a"]) == 64 * 256]
    ended = [int(record["time"]) for record in run.select("domain_shutdown") if int(record["a"]) == 3]
    waits = [after - before for before, after in zip(ended, born[1:])]
    assert len(waits) >= 3, said(run)
    assert waits[-1] >= 2 * waits[0], waits
    assert len([name for name in run.landmark.ledger if name.startswith("die")]) == len(born)
    assert_sound(run)
    assert "RESULT name=compute" in run.consoles["compute"], said(run)


def test_a_preserved_guest_keeps_its_frames_and_the_run_ends_as_crashed() -> None:
    run = boot(
        Guest("die", "workload:die_first", on_crash="preserve"),
        workload("compute", "for_ms=20"),
        duration=1000 * MILLISECOND,
    )
    assert run.exit_status == 3, said(run)
    assert not times(run, "domain_destroy", "die")


def test_a_guest_whose_page_another_one_maps_goes_when_it_is_let_go() -> None:
    run = boot(
        workload("pinger", "peer=responder for_ms=50"),
        workload("responder", "peer=pinger for_ms=120"),
        duration=1000 * MILLISECOND,
    )
    pinger, responder = times(run, "domain_gone", "pinger"), times(run, "domain_gone", "responder")
    assert len(pinger) == len(responder) == 1, said(run)
    assert sorted(int(record["a"]) for record in run.select("domain_gone")) == [PAGES, PAGES]
    assert run.exit_status == 0, said(run)


def lending(index: int) -> tuple[Guest, Guest]:
    """A guest that lends a page, crashes and is to start again, and one that keeps the page of each of its lives."""
    lender, borrower = f"lender{index}", f"borrower{index}"
    return (
        workload(
            "lender", f"peer={borrower} end=crash for_ms=40", name=lender, memory=SMALL, on_crash="restart"
        ),
        workload("borrower", f"peer={lender}", name=borrower, memory=SMALL),
    )


def test_a_borrower_does_not_keep_its_lender_from_starting_again() -> None:
    run = boot(*lending(0), duration=400 * MILLISECOND, end_when_idle=False)
    ended = [record for record in run.select("domain_shutdown") if int(record["a"]) == 3]
    assert len(ended) >= 4, said(run)  # lives of 40 ms, rests of 10, 20, 40 ms
    assert not len(run.select("domain_gone")), "the borrower still has a page of each"
    left = [entry.frames_owned for name, entry in run.landmark.ledger.items() if entry.state == "gone"]
    assert len(left) >= 4 and set(left) == {1}, "and nothing else of it"
    assert run.landmark.audit_failures == 0


def test_too_many_zombies_put_a_restart_off_and_say_so() -> None:
    pairs = [guest for index in range(6) for guest in lending(index)]
    run = boot(*pairs, duration=1000 * MILLISECOND, end_when_idle=False)
    ended = [record for record in run.select("domain_shutdown") if int(record["a"]) == 3]
    assert len(ended) >= 17, said(run)
    assert not len(run.select("domain_gone"))
    assert "others map its frames, as those of 16 more" in run.consoles["dom0"], said(run)


def test_two_hundred_lives_leave_nothing_behind() -> None:
    """As many frames are free after two hundred guests came and went as after two; the manifest is of one size."""

    def lives(count: int) -> Run:
        timeline = []
        for number in range(200):
            born = number * LIFE if number < count else NEVER
            timeline.append(TimelineEntry(born, "create", "hog"))
            timeline.append(TimelineEntry(born + LIFE // 2, "destroy", "hog"))
        run = boot(
            workload("cpu_hog", name="hog", memory=4 * MIB),
            timeline=(*timeline, TimelineEntry(count * LIFE, "audit")),
            duration=(count + 5) * LIFE,
            end_when_idle=False,
        )
        assert len(run.select("domain_gone")) == count, said(run)
        assert run.landmark.audit_runs and not run.landmark.audit_failures
        return run

    assert lives(200).landmark.free_frames == lives(2).landmark.free_frames


def test_many_vcpus_come_and_go_in_steps() -> None:
    run = boot(workload("compute", "for_ms=20", vcpus=32))
    assert run.exit_status == 0 and len(run.select("domain_gone")) == 1, said(run)
    assert run.landmark.r_max.ns < SHORT, run.landmark.r_max
    assert_sound(run)


def test_what_was_meant_for_a_dead_guest_reaches_no_later_one() -> None:
    """The pinger lends a page to the responder and keeps a port for it; then the responder is destroyed."""
    stranger = Guest("stranger", str(paths.test_image()), cmdline="test=stranger")
    run = boot(
        workload("pinger", "peer=responder for_ms=200"),
        workload("responder", "peer=pinger"),
        stranger,
        timeline=(
            TimelineEntry(50 * MILLISECOND, "destroy", "responder"),
            TimelineEntry(80 * MILLISECOND, "create", "stranger"),
        ),
        duration=400 * MILLISECOND,
    )
    assert "VERDICT stranger success" in run.consoles["stranger"], said(run)
    numbers = [entry.domain for entry in run.landmark.ledger.values()]
    assert len(set(numbers)) == len(numbers), numbers
    assert_sound(run)
