"""TCP between two of Debian's kernels, both ways and at three sizes of packets: what is not cut arrives, and nobody complains."""

from __future__ import annotations

from linux_guests import assert_done, linux, run_linux
from machines import SHORT, assert_sound, said

from bulkhead import MIB, GuestNet
from bulkhead.linux.report import results

LAN = (GuestNet(),)
MTUS = (1500, 9000, 576)
SERVER = "tcp:1:0:9000:10"
MIB_SENT = {1500: 4, 9000: 4, 576: 1}
JOBS = [f"tcp:2:1:{mtu}:{MIB_SENT[mtu]}M:{words}" for mtu in MTUS for words in ("", "-R")]


def test_iperf3_both_ways_at_three_sizes_of_packets() -> None:
    server = linux("server", SERVER, image="tcp", words="", nets=LAN)
    client = linux("client", *JOBS, image="tcp", words="", nets=LAN)
    run = run_linux(server, client, seconds=60)
    assert_done(run, "server", SERVER)
    assert_done(run, "client", *JOBS)
    rows = [row for row in results(run.consoles["client"], "tcp") if "mtu" in row]
    assert [row["mtu"] for row in rows] == [str(mtu) for mtu in MTUS for _ in range(2)], said(run)
    for row in rows:
        assert int(row["kbit_per_s"]) > (20_000 if row["mtu"] == "576" else 80_000), said(run)
    for name in ("server", "client"):
        ends = [row for row in results(run.consoles[name], "tcp") if "given_up" in row]
        assert ends, said(run)
        for row in ends:
            faults = [int(row[key]) for key in ("rx_errors", "tx_errors", "given_up", "warnings")]
            assert faults == [0] * 4, said(run)
    sent = 2 * sum(MIB_SENT.values()) * MIB
    packets = [int(results(run.consoles[name], "tcp")[-2]["tx_packets"]) for name in ("server", "client")]
    assert sent / sum(packets) > 3_000, "packets are not left whole"
    assert run.landmark.r_max.ns < SHORT
    assert_sound(run)
