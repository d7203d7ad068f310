"""Networks in the hypervisor: delays are those of the model, a ring policy sees each packet, nothing is lost when guests go."""

from __future__ import annotations

import numpy as np
import pytest
from machines import MILLISECOND, SHORT, assert_sound, boot, said, workload

from bulkhead import MIB, SECOND, Guest, GuestNet, Network, Policy, Run, TimelineEntry
from bulkhead.policy.tables import built_policies

LEFT_OUT = {"chaos"}
US = 1000
SENT, RECEIVED = 3, 4  # marks


def station(kind: str, options: str, name: str, for_ms: int = 250, **changes: object) -> Guest:
    values: dict[str, object] = {"nets": (GuestNet(),), "memory": 8 * MIB, **changes}
    return workload(kind, f"{options} for_ms={for_ms}", name=name, **values)


ECHO = station("udp_echo", "host=1", "echo", for_ms=300)
CLIENT = station("udp_rr", "host=2 peer=1", "client")


def round_trips(run: Run, name: str) -> np.ndarray:
    """Of each request that was answered, in ns."""
    marks = run.select("mark", name)
    sent = {int(mark["b"]): int(mark["time"]) for mark in marks[marks["a"] == SENT]}
    answers = marks[marks["a"] == RECEIVED]
    return np.array([int(mark["time"]) - sent[int(mark["b"])] for mark in answers])


def packets(run: Run, event: str, name: str) -> list[int]:
    """Their numbers: ring and request."""
    return [int(number) for number in run.select(event, name)["a"]]


def served_in_full(run: Run, *names: str) -> None:
    """Each packet that the policy was shown was served once, but for those that the run's end left."""
    for name in names:
        asked, done = packets(run, "ring_submit", name), packets(run, "ring_complete", name)
        assert asked and len(set(done)) == len(done) and set(done) <= set(asked)
        assert len(asked) - len(done) <= 2 * 64


def test_a_round_trip_takes_the_links_delay_twice_and_is_the_same_again() -> None:
    runs = [boot(ECHO, CLIENT, network=Network(delay_us=delay), duration=SECOND) for delay in (50, 500, 500)]
    for run in runs:
        assert run.exit_status == 0, said(run)
        assert_sound(run)
        assert run.landmark.r_max.ns < SHORT
        assert len(run.select("net_drop")) == 0
        served_in_full(run, "echo", "client")
    near, far, again = (float(np.median(round_trips(run, "client"))) for run in runs)
    assert far - near == pytest.approx(2 * 450 * US, abs=200)
    # Twice the link, four times the switch: 106 bytes; the rest is the work of guests and hypervisor.
    model = 2 * (50 * US + 106 * 8) + 4 * (5 * US + 106 * 8)
    assert model < near < model + 100 * US
    assert runs[1].trace_sha256 == runs[2].trace_sha256


def test_interfaces_of_other_networks_are_not_reached() -> None:
    stranger = station("udp_rr", "host=2 peer=1", "client", nets=(GuestNet("other"),))
    run = boot(ECHO, stranger, duration=SECOND)
    assert "nobody answers at 10.0.0.1" in run.consoles["client"], said(run)
    assert "served=0" in run.consoles["echo"], said(run)


VICTIM = station("udp_rr", "host=2 peer=1 period_us=1000", "client")
FLOOD = station("udp_flood", "host=3 peer=4", "flood")
SINK = station("udp_echo", "host=4", "sink", for_ms=300)


SLOW = Network(packet_us=25, bytes_per_us=12)  # the flood is faster


def flooded(policy: str | None, network: Network = Network()) -> Run:
    run = boot(
        ECHO,
        VICTIM,
        FLOOD,
        SINK,
        ringctl=Policy(policy) if policy else None,
        network=network,
        pcpus=2,
        duration=SECOND,
    )
    assert run.exit_status == 0, said(run)
    assert_sound(run)
    assert run.landmark.r_max.ns < 3 * SHORT, "a pCPU may wait for the other one, but both have their turns"
    assert len(run.select("policy_eject")) == 0, said(run)
    return run


@pytest.mark.parametrize("policy", [None, *sorted(set(built_policies("ring")) - LEFT_OUT)])
def test_every_policy_serves_every_packet_that_it_is_shown(policy: str | None) -> None:
    run = flooded(policy)
    report = next(report for report in run.landmark.policies if report.kind == "ring")
    assert report.name == (policy or "fallback") and report.hook_calls > 1000
    served_in_full(run, "echo", "client", "flood", "sink")
    assert len(round_trips(run, "client")) > 50, said(run)


def test_a_policy_that_takes_turns_keeps_the_victims_round_trips_short() -> None:
    alone = boot(ECHO, VICTIM, ringctl=Policy("fifo"), network=SLOW, pcpus=2, duration=SECOND)
    loose, fair = flooded("fifo", SLOW), flooded("round_robin", SLOW)
    quiet, short, long = (float(np.median(round_trips(run, "client"))) for run in (alone, fair, loose))
    assert short < 4 * quiet, (quiet, short)
    assert long > 20 * short, (short, long)


def test_packets_wait_at_a_port_behind_those_of_their_own_sender() -> None:
    floods = [station("udp_flood", f"host={number} peer=1", f"flood{number}") for number in (3, 4)]
    run = boot(ECHO, VICTIM, *floods, ringctl=Policy("sfq"), network=SLOW, pcpus=2, duration=SECOND)
    assert_sound(run)
    asked = {int(row["a"]): int(row["time"]) for row in run.select("ring_submit", "echo")}
    waits = [
        int(row["time"]) - asked[int(row["a"])]
        for row in run.select("ring_complete", "echo")
        if int(row["a"]) >> 32 & 1
    ]
    line, trip = float(np.median(waits)), float(np.median(round_trips(run, "client")))
    assert line > 5 * MILLISECOND, "the floods fill the port's buffer"
    # The answer waits behind what the policy has of the same guest; the request has not waited so, too.
    assert trip < 1.4 * line, (trip, line)


def test_a_limit_holds_beside_an_idle_switch() -> None:
    limited = station("udp_flood", "host=3 peer=4", "flood", ringctl={"rate": 1000})
    sink = station("udp_echo", "host=4", "sink", for_ms=300, ringctl={"rate": 100_000})
    run = boot(limited, sink, ringctl=Policy("token_bucket", {"burst": 10}), pcpus=2, duration=SECOND)
    assert_sound(run)
    done = run.select("ring_complete", "flood")["time"]
    seconds = (int(done.max()) - int(done.min())) / SECOND
    assert 1000 * seconds * 0.98 <= len(done) <= 1000 * seconds + 12, (len(done), seconds)


def test_guests_that_go_with_packets_in_flight_leave_nothing_behind() -> None:
    rounds = 8
    timeline = tuple(
        entry
        for i in range(rounds)
        for name in (("flood", "sink")[i % 2],)
        for entry in (
            TimelineEntry((60 * i + 40) * MILLISECOND, "destroy", name),
            TimelineEntry((60 * i + 50) * MILLISECOND, "create", name),
            TimelineEntry((60 * i + 51) * MILLISECOND, "unpause", name),
        )
    )
    flood = station("udp_flood", "host=3 peer=4 bytes=1400", "flood", for_ms=0)
    sink = station("udp_echo", "host=4", "sink", for_ms=0)
    run = boot(
        ECHO, VICTIM, flood, sink, ringctl=Policy("drr"), timeline=timeline, duration=600 * MILLISECOND
    )
    assert_sound(run)
    assert len(run.select("domain_gone")) >= rounds, said(run)
    assert len(run.select("policy_eject")) == 0, said(run)
    lives = {int(record["domain"]) for record in run.select("ring_complete")}
    assert len(lives) >= rounds, "each life of the guests was served"
    assert len(round_trips(run, "client")) > 200, said(run)


@pytest.mark.parametrize("mode", [1, 3, 4, 7, 8, 9])
def test_a_policy_that_breaks_its_contract_is_ejected_and_no_packet_is_lost(mode: int) -> None:
    policy = Policy("chaos", {"mode": mode, "after": 100_000})
    run = boot(ECHO, VICTIM, FLOOD, SINK, ringctl=policy, pcpus=2, duration=SECOND)
    assert_sound(run)
    assert len(run.select("policy_eject")) == 1, said(run)
    served_in_full(run, "echo", "client", "flood", "sink")
    assert len(round_trips(run, "client")) > 50, said(run)


def test_policies_are_swapped_under_load_and_no_packet_is_lost() -> None:
    names = [name for name in sorted(set(built_policies("ring")) - LEFT_OUT) if name != "fifo"]
    timeline = tuple(
        TimelineEntry((50 + 25 * i) * MILLISECOND, "swap", policy=Policy(name), kind="ring")
        for i, name in enumerate(names)
    )
    run = boot(ECHO, VICTIM, FLOOD, SINK, ringctl=Policy("fifo"), timeline=timeline, duration=SECOND)
    assert_sound(run)
    assert len(run.select("policy_eject")) == 0, said(run)
    served_in_full(run, "echo", "client", "flood", "sink")
