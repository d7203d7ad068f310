"""From power-on to the first instruction of a guest: counted in instructions of the machine, firmware included."""

from __future__ import annotations

from machines import said, workload

from bulkhead import MIB, Guest, Machine, Run

MOST = 20_000_000  # instructions


def before(run: Run, name: str) -> int:
    """Instructions of the machine before a guest's first one. Under an instruction-counting clock the time-stamp counter
    stands at 0 at power-on and counts nanoseconds."""
    first = int(run.select("run_in", name)["time"][0])
    length = run.machine.instruction_ns
    assert length is not None and run.landmark.clock_hz == 1_000_000_000
    return (run.landmark.clock_origin + first) // length


def boot(*guests: Guest, memory: int) -> Run:
    return Machine(guests=guests, memory=memory, duration="20ms").run()


def test_two_small_guests_start_in_64_mib_within_20_million_instructions() -> None:
    guests = (workload("cpu_hog", memory=4 * MIB), workload("compute", memory=4 * MIB))
    run = boot(*guests, memory=64 * MIB)
    assert max(before(run, guest.name) for guest in guests) <= MOST, said(run)


def test_a_small_guest_starts_in_the_usual_machine_within_20_million_instructions() -> None:
    run = boot(workload("cpu_hog", memory=4 * MIB), memory=Machine(guests=()).memory)
    assert before(run, "cpu_hog") <= MOST, said(run)
