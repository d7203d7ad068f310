"""Mistakes: each gets one clear line on standard error, exit status 2, and starts nothing."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Result
from machines import GRUB

from bulkhead import cli
from bulkhead.backend.qemu import process
from bulkhead.base.paths import plugin_dirs

GUEST = ("--guest", f"kernel={GRUB}")
MISTAKES = [
    (("boot",), "boot needs at least one guest"),
    (("boot", "--guest", "kernel=/nowhere"), "file /nowhere does not exist"),
    (("boot", "--guest", "kernel=/bin/ls"), "/bin/ls: the kernel is no executable ELF file"),
    (("boot", "--guest", "kernel=/etc/passwd"), "/etc/passwd: the kernel is not an ELF file"),
    (("boot", "--guest", f"kernel={GRUB},vcpu=1"), "unknown option 'vcpu'; did you mean 'vcpus'?"),
    (("boot", "--guest", f"kernel={GRUB},mem=1G"), "are too little"),
    (("boot", "--guest", "kernel=workload:cpu_hug"), "unknown workload 'cpu_hug'; did you mean 'cpu_hog'?"),
    (("boot", "--guest", "kernel=workload:cpu_hog,cmdline=markops=1"), "did you mean 'mark_ops'?"),
    (("boot", "--guest", "kernel=workload:udp_echo,pcap=a"), "pcap: the guest has no interface eth0"),
    (("boot", "--guest", "kernel=workload:udp_echo,net=lan,pcap=/no/a"), "in a folder that exists"),
    (("boot", *GUEST, "--sched", "nobody"), "unknown scheduler 'nobody'"),
    (("boot", *GUEST, "--sched", "credit:nothing=1"), "policy credit has no parameter 'nothing'"),
    (("boot", *GUEST, "--sched", "round_robin:slice=1"), "policy round_robin: slice=1 is outside"),
    (("boot", *GUEST, "--memctl", "nobody"), "unknown memory policy 'nobody'"),
    (("boot", *GUEST, "--for", "soon"), "write for example 2s"),
    (("boot", *GUEST, "--mem", "much"), "write for example 64M"),
    (("boot", *GUEST, "--pcpus", "0"), "pcpus=0 is outside 1 to 64"),
    (("boot", *GUEST, "--pcpus", "two"), "two"),
    (("boot", *GUEST, "--accel", "warp"), "write tcg, kvm or auto"),
    (
        ("boot", *GUEST, "--ns-per-instruction", "3"),
        "ns_per_instruction=3 is impossible with 1 pCPU: write one of 1, 2, 4",
    ),
    (("boot", *GUEST, "--console", "other"), "no guest is named 'other'"),
    (("boot", *GUEST, "--no-such-option"), "No such option"),
    (("run", "no_such_experiment"), "unknown experiment"),
    (("run", "noisy_neighbour", "--backend", "sum"), "unknown back end 'sum'"),
    (("run", "noisy_neighbour", "--set", "hogs"), "write NAME=VALUE"),
    (("list", "policy"), "did you mean 'policies'?"),
    (("test", "units"), "did you mean 'unit'?"),
    (("no_such_command",), "no_such_command"),
]


@pytest.mark.parametrize(("words", "message"), MISTAKES, ids=[" ".join(words) for words, _ in MISTAKES])
def test_mistakes(
    words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def must_not_start(*_: object) -> None:
        raise AssertionError("QEMU was started")

    monkeypatch.setattr(process.Process, "__init__", must_not_start)
    assert cli.main(list(words)) == 2
    output = capsys.readouterr()
    assert message in output.err and output.err.startswith("bulkhead: ") and output.err.count("\n") == 1
    assert output.out == ""


def test_plugin_of_another_abi(tmp_path: Path, command: Callable[..., Result]) -> None:
    data = bytearray((plugin_dirs()["scheduler"] / "round_robin.so").read_bytes())
    at = data.index(b"BKPLUGIN") + 8
    data[at : at + 4] = (77).to_bytes(4, "little")
    other = tmp_path / "other.so"
    other.write_bytes(data)
    result = command("boot", *GUEST, "--sched", str(other))
    assert result.returncode == 2 and result.stderr.count("\n") == 1
    assert "is built for plug-in ABI version 77" in result.stderr and "rebuild" in result.stderr


def test_the_command_itself(command: Callable[..., Result]) -> None:
    result = command("boot", "--guest", "kernel=/nowhere")
    assert (result.returncode, result.stdout) == (2, "")
    assert (
        result.stderr
        == "bulkhead: guest nowhere: file /nowhere does not exist; give the path of an existing one\n"
    )
    children = subprocess.run(["pgrep", "-f", "mem-path=/proc/self/fd"], capture_output=True, text=True)
    assert "nowhere" not in children.stdout


def test_help_and_lists(command: Callable[..., Result]) -> None:
    for words in (("--help",), ("boot", "--help"), ("list",), ("doctor",)):
        result = command(*words)
        assert result.returncode == 0, result.stderr
    listed = command("list", "policies").stdout
    assert "round_robin (scheduler)" in listed and "slice=10000 us (100 to 100000)" in listed
    assert "cpu_hog (attack)" in command("list", "attacks").stdout
    assert "compute (victim)" in command("list", "workloads").stdout
    assert "noisy_neighbour" in command("list", "experiments").stdout
