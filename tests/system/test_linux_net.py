"""Debian's kernel with its own network driver at the switch of the hypervisor."""

from __future__ import annotations

from linux_guests import assert_done, linux, run_linux
from machines import assert_sound, said, workload

from bulkhead import MIB, GuestNet, Policy
from bulkhead.linux.report import results

COUNT = 20
LAN = (GuestNet(),)


def test_two_of_them_ping_each_other_and_a_small_guest() -> None:
    jobs = {
        "left": ("net:1:2:20:56", "net:1:3:20:1400"),
        "right": ("net:2:1:20:1472", "net:2:3:20:1000"),
    }
    echo = workload("udp_echo", "host=3 for_ms=45000", name="echo", memory=8 * MIB, nets=LAN)
    guests = [linux(name, *each, image="net", words="", nets=LAN) for name, each in jobs.items()]
    run = run_linux(*guests, echo, ringctl=Policy("drr"), seconds=60)
    for number, (name, each) in enumerate(jobs.items(), start=1):
        assert_done(run, name, *each)
        pings = [row for row in results(run.consoles[name], "net") if "sent" in row]
        assert [(row["sent"], row["received"]) for row in pings] == [(str(COUNT), str(COUNT))] * 2, said(run)
        assert {row["mac"] for row in pings} == {f"00:16:3e:00:00:{number << 4:02x}"}
        assert {row["mtu"] for row in pings} == {"1500"}
        ends = [row for row in results(run.consoles[name], "net") if "given_up" in row]
        assert [(row["rx_errors"], row["tx_errors"], row["given_up"]) for row in ends] == [
            ("0", "0", "0")
        ] * 2
        assert "disabled for further use" not in run.consoles[name], said(run)
        assert len(run.select("ring_complete", name)) > 4 * COUNT
    assert_sound(run)
    assert len(run.select("policy_eject")) == 0
