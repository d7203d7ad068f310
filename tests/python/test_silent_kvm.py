"""A computer on which KVM opens but runs nothing: the machine is given up, in a line that says what to write."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from bulkhead import Guest, Machine
from bulkhead.backend.qemu import accel, booted
from bulkhead.base.errors import MachineError
from bulkhead.base.units import MIB

SILENT = """#!/bin/sh
[ "$1" = --version ] && { echo "QEMU emulator version 7.2.22"; exit; }
exec sleep 600
"""


def test_it_is_given_up_after_the_time_of_the_probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    qemu = tmp_path / "qemu-system-x86_64"
    qemu.write_text(SILENT)
    qemu.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(accel, "KVM", "/dev/null")
    monkeypatch.setattr(booted, "PROBE_SECONDS", 0.5)
    guests = (Guest("hog", "workload:cpu_hog", memory=4 * MIB),)
    machine = Machine(guests=guests, accel="kvm", ns_per_instruction=None, memory=128 * MIB)
    with pytest.raises(
        MachineError, match="KVM opens here but ran no instruction .* --accel tcg, or --accel auto"
    ):
        machine.run()
