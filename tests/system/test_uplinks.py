"""A network with a way to this computer: guests reach a server here, and each other as before."""

from __future__ import annotations

import hashlib
import random
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from captures import packets
from linux_guests import assert_done, linux, run_linux
from machines import MILLISECOND, assert_sound, boot, said, workload

from bulkhead import MIB, SECOND, Guest, GuestNet, Policy, Run
from bulkhead.linux.report import results

RESULT = re.compile(r"RESULT name=udp_rr sent=(\d+) answers=(\d+) ")
HERE = 254  # this computer's address in the guests' network


@pytest.fixture
def server() -> Iterator[tuple[int, list[bytes]]]:
    """A UDP server of this computer that sends everything back: its port, and what came."""
    came: list[bytes] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.bind(("127.0.0.1", 0))
        own.settimeout(0.1)
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                try:
                    data, sender = own.recvfrom(2048)
                except TimeoutError:
                    continue
                came.append(data)
                own.sendto(data, sender)

        thread = threading.Thread(target=serve)
        thread.start()
        yield own.getsockname()[1], came
        over.set()
        thread.join()


def client(host: int, options: str, net: GuestNet, for_ms: int = 400) -> Guest:
    words = f"host={host} for_ms={for_ms} {options}"
    return workload("udp_rr", words, name=f"client{host}", memory=8 * MIB, nets=(net,))


def answers(run: Run, name: str) -> int:
    found = RESULT.search(run.consoles[name])
    assert found, said(run)
    return int(found[2])


def test_a_guest_reaches_a_server_on_this_computer(server: tuple[int, list[bytes]]) -> None:
    port, came = server
    to_here = f"peer={HERE} port={port} bytes=1472 patience_us=200000"
    guests = (
        client(4, to_here, GuestNet(uplink="user")),
        client(5, "peer=6", GuestNet()),
        workload("udp_echo", "host=6 for_ms=450", name="echo", memory=8 * MIB, nets=(GuestNet(),)),
    )
    run = boot(*guests, ringctl=Policy("drr"), duration=5 * SECOND)
    assert_sound(run)
    assert not run.reproducible
    assert answers(run, "client4") > 10, said(run)
    assert answers(run, "client5") > 10, said(run)
    assert len(came) >= answers(run, "client4") and {len(data) for data in came} == {1472}
    assert int.from_bytes(came[0][:8], "big") == 0
    for event in ("ring_submit", "ring_request", "ring_complete"):
        assert len(run.select(event, "client4")) >= 2 * answers(run, "client4")


def test_a_capture_has_the_packets_that_come_from_outside(
    server: tuple[int, list[bytes]], tmp_path: Path
) -> None:
    port, came = server
    file = tmp_path / "client.pcap"
    words = f"peer={HERE} port={port} bytes=1472 patience_us=200000"
    run = boot(client(4, words, GuestNet(uplink="user", pcap=str(file))), duration=5 * SECOND)
    assert_sound(run)
    found = [data for _, data in packets(file)]
    sent, received = [
        [
            data[42:]
            for data in found
            if data[12:14] == b"\x08\x00" and data[at : at + 2] == port.to_bytes(2, "big")
        ]
        for at in (36, 34)
    ]
    assert len(received) >= answers(run, "client4") > 10, said(run)
    assert set(came) <= set(sent)
    assert set(received) <= set(came)


def test_a_network_without_an_uplink_reaches_nobody_outside(server: tuple[int, list[bytes]]) -> None:
    port, came = server
    guests = (
        client(4, f"peer={HERE} port={port}", GuestNet(switch="other"), for_ms=100),
        workload("udp_echo", "host=6 for_ms=150", memory=8 * MIB, nets=(GuestNet(uplink="user"),)),
    )
    run = boot(*guests, duration=400 * MILLISECOND)
    assert "udp_rr: nobody answers at 10.0.0.254" in run.consoles["client4"], said(run)
    assert not came
    assert_sound(run)


class Files(BaseHTTPRequestHandler):
    """Gives a file away and keeps what comes back."""

    FILE: ClassVar[bytes] = random.Random(1).randbytes(150_000).hex().encode() + b"."  # wget sends text only
    came: ClassVar[list[bytes]] = []

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is said."""

    def answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.answer(self.FILE)

    def do_POST(self) -> None:
        self.came.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(b"")


def test_linux_fetches_a_file_from_this_computer_and_sends_it_back() -> None:
    """Its kernel leaves checksums of TCP to the back end. Packets that find no buffer of the device free are sent again."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        job = f"web:4:{HERE}:{server.server_port}"
        guest = linux("web", job, image="net", nets=(GuestNet(uplink="user"),))
        run = run_linux(guest, ringctl=Policy("drr"), seconds=60)
        server.shutdown()
        thread.join()
    assert_done(run, "web", job)
    digest = hashlib.sha256(Files.FILE).hexdigest()
    assert results(run.consoles["web"], "web")[0] == {
        "bytes": str(len(Files.FILE)),
        "sha256": digest,
    }, said(run)
    assert Files.came == [Files.FILE]
    assert_sound(run)
