"""Captures of the switch's ports: every packet at its time, in a file that tcpdump reads, and the run is the same without."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
from captures import packets
from machines import MILLISECOND, assert_sound, boot, said, workload

from bulkhead import MIB, SECOND, Guest, GuestNet, Network, Run

ECHO, CLIENT = bytes.fromhex("00163e000010"), bytes.fromhex("00163e000020")
DELAY_US = 500
SENT, RECEIVED = 3, 4  # marks
PORT = struct.pack(">H", 7)


def machine(*files: Path | None) -> Run:
    """Round trips of one guest with another, whose ports' packets go to the files."""
    nets = [(GuestNet(pcap=str(file) if file else None),) for file in files]
    options: tuple[tuple[str, str], ...] = (
        ("udp_echo", "host=1 for_ms=300"),
        ("udp_rr", "host=2 peer=1 for_ms=250"),
    )
    guests: list[Guest] = [
        workload(kind, words, name=kind, memory=8 * MIB, nets=net)
        for (kind, words), net in zip(options, nets)
    ]
    return boot(*guests, network=Network(delay_us=DELAY_US), duration=SECOND)


def between(file: Path, source: bytes, target: bytes) -> list[int]:
    """Times of the UDP packets of one direction."""
    return [at for at, data in packets(file) if data[:12] == target + source and PORT in data[34:38]]


def test_a_capture_has_every_packet_at_its_time_and_changes_nothing(tmp_path: Path) -> None:
    files = (tmp_path / "echo.pcap", tmp_path / "client.pcap")
    runs = [machine(None, None), machine(files[0], None), machine(*files)]
    for run in runs:
        assert run.exit_status == 0, said(run)
        assert_sound(run)
    assert len({run.trace_sha256 for run in runs}) == 1
    for file in files:
        times = [at for at, _ in packets(file)]
        assert times == sorted(times) and 0 < times[0] and times[-1] < 400 * MILLISECOND
    marks = runs[0].select("mark", "udp_rr")
    asked = int(np.sum(marks["a"] == SENT))
    requests, answers = [
        (between(files[0], *ends), between(files[1], *ends)) for ends in ((CLIENT, ECHO), (ECHO, CLIENT))
    ]
    assert [len(times) for times in (*requests, *answers)] == [asked] * 4 and asked > 100
    # From the sender's port to the receiver's: 106 bytes at 125 per us, and the delay of the link.
    for far, near in ((requests[0], requests[1]), (answers[1], answers[0])):
        assert {b - a for a, b in zip(near, far)} == {DELAY_US * 1000 + 106 * 8}
    if tcpdump := shutil.which("tcpdump"):
        shown = subprocess.run(
            [tcpdump, "-nn", "-r", str(files[1])], capture_output=True, text=True, check=True
        )
        assert shown.stdout.count("IP 10.0.0.2.10000 > 10.0.0.1.7: UDP, length 64") == asked
