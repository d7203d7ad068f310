"""Debian's kernel as an ordinary guest, alone: to user space and off again, with one vCPU and with four."""

from __future__ import annotations

from linux_guests import assert_done, linux, run_linux
from machines import assert_sound, said, workload

from bulkhead import MIB, SECOND, Policy, TimelineEntry
from bulkhead.linux.report import results

PARTS_PER_MILLION = 10
NOTED = "uptime_ns"


def test_the_command_boots_it_to_user_space_and_off(command) -> None:  # type: ignore[no-untyped-def]
    guest = "kernel=/boot/vmlinuz-*,initrd=image:small,mem=128M,vcpus=1"
    result = command("boot", "--guest", f"{guest},cmdline=console=hvc0 bulkhead.job=memory", "--for", "30s")
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"linux| RESULT name=boot {NOTED}=" in result.stdout
    assert "linux| RESULT name=memory status=0" in result.stdout


def test_four_vcpus_at_work_with_right_clocks_and_no_warning() -> None:
    micro = "micro:null_call:fork:exec:page_fault:signal:context_switch"
    jobs = (
        "cpus",
        "clocks:4:200",
        micro,
        "traps",
        "hotplug:2",
        "sysbench-cpu:1:4",
        "sysbench-memory:16:4",
        "log",
    )
    run = run_linux(linux("linux", *jobs, image="sysbench", vcpus=4))
    assert_done(run, "linux", *jobs)
    assert run.exit_status == 0
    console = run.consoles["linux"]
    assert results(console, "cpus")[0]["online"] == "4"
    samples = [{key: int(value) for key, value in row.items()} for row in results(console, "clocks")[:4]]
    machine = samples[-1]["tsc"] - samples[0]["tsc"]
    for clock in ("monotonic_ns", "realtime_ns"):
        error = abs(samples[-1][clock] - samples[0][clock] - machine)
        assert error <= machine * PARTS_PER_MILLION / 1e6, (clock, error, said(run))
    assert len(results(console, "micro")) == 6 + 1, said(run)
    taken = [(row["without"], row["with"]) for row in results(console, "hotplug") if "round" in row]
    assert taken == [("3", "4")] * 2, said(run)
    assert int(results(console, "sysbench-cpu")[0]["events"]) > 1000, said(run)
    assert float(results(console, "sysbench-memory")[0]["mib"]) == 16, said(run)
    assert_sound(run)


def test_thirty_two_vcpus_flush_and_interrupt_each_other() -> None:
    jobs = ("cpus", "threads:32:32", "log")
    run = run_linux(linux("linux", *jobs, vcpus=32))
    assert_done(run, "linux", *jobs)
    assert results(run.consoles["linux"], "cpus")[0]["online"] == "32"
    row = results(run.consoles["linux"], "threads")[0]
    assert (row["cpus"], row["barriers"], row["stale"]) == ("32", "32", "0"), said(run)
    assert_sound(run)


def test_a_guest_does_what_it_is_asked_through_xenstore() -> None:
    """It gives memory back, and later powers off, though its own init would stay for ever."""
    timeline = (
        TimelineEntry(11 * SECOND, "set_memory", "linux", 112 * MIB),
        TimelineEntry(16 * SECOND, "shutdown", "linux"),
    )
    guest = linux("linux", "memory", "sleep:3", "memory", words="quiet bulkhead.end=stay")
    run = run_linux(guest, timeline=timeline)
    assert_done(run, "linux", "memory", "sleep")
    before, after = (
        int(row["memtotal_kib"]) for row in results(run.consoles["linux"], "memory") if len(row) > 1
    )
    assert before - after == 16 * 1024, said(run)
    assert_sound(run)


def test_a_guest_follows_the_target_that_a_memory_policy_gives_it() -> None:
    """Its own balloon driver gives back what another guest of the same weight may have from the swap on."""
    timeline = (
        TimelineEntry(11 * SECOND, "swap", policy=Policy("proportional_share"), kind="memory"),
        TimelineEntry(16 * SECOND, "shutdown", "linux"),
    )
    guests = (
        linux("linux", "memory", "sleep:3", "memory", words="quiet bulkhead.end=stay"),
        workload("periodic", "period_us=100000 for_ms=15000", max_memory=128 * MIB),
    )
    run = run_linux(*guests, timeline=timeline, memctl=Policy("first_fit"), memory=330 * MIB)
    assert_done(run, "linux", "memory", "sleep")
    first, last = (int(row["a"]) for row in run.select("memory_target", "linux")[:2])
    assert first == 128 * 256 and 80 * 256 < last < 120 * 256, said(run)
    before, after = (
        int(row["memtotal_kib"]) for row in results(run.consoles["linux"], "memory") if len(row) > 1
    )
    assert before - after == 4 * (first - last), said(run)
    assert_sound(run)


def test_an_nmi_shows_where_the_other_processors_are() -> None:
    """The kernel sends it by VCPUOP_send_nmi. Idle processors answer, and so do those that loop in user space."""
    run = run_linux(linux("linux", "backtrace", vcpus=3))
    assert_done(run, "linux", "backtrace")
    rows = [row for row in results(run.consoles["linux"], "backtrace") if "round" in row]
    found = [(row["others"], row["answered"], row["user"]) for row in rows]
    assert found == [("idle", "2", "1"), ("busy", "2", "3")], said(run)
    assert_sound(run)
