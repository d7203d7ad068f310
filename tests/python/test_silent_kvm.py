"""A computer on which KVM opens but runs nothing: the machine is given up, in a line that says what to write."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from bulkhead import Guest, Machine
from bulkhead.backend.qemu import accel, booted
from bulkhead.base.errors import MachineError
from bulkhead.base.layouts import layout
from bulkhead.base.schema import constant
from bulkhead.base.units import MIB

SILENT = """#!/bin/sh
[ "$1" = --version ] && { echo "QEMU emulator version 7.2.22"; exit; }
"""
NOTHING = "exec sleep 600\n"
# A hypervisor that hangs before its first guest comes back: the landmark is there, and its clock stands at 0.
BOOTING = """#!/usr/bin/python3
import re, sys, time
if sys.argv[1] == "--version":
    print("QEMU emulator version 7.2.22")
    sys.exit()
path = re.search("mem-path=([^,]*)", " ".join(sys.argv)).group(1)
with open(path, "r+b") as ram:
    ram.seek({at})
    ram.write(bytes.fromhex("{page}"))
time.sleep(600)
"""


def booting() -> str:
    """The stand-in for QEMU that leaves the landmark of a hypervisor that has just started its first guest."""
    page = np.zeros(1, layout("landmark.Page"))
    page["magic"], page["version"], page["state"] = (
        constant("landmark.magic"),
        constant("landmark.version"),
        1,
    )
    return BOOTING.format(at=constant("landmark.physical_address"), page=page.tobytes().hex())


@pytest.mark.parametrize("script", [SILENT + NOTHING, booting()], ids=["nothing", "booting"])
def test_it_is_given_up_after_the_time_of_the_probe(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    qemu = tmp_path / "qemu-system-x86_64"
    qemu.write_text(script)
    qemu.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(accel, "KVM", "/dev/null")
    monkeypatch.setattr(booted, "PROBE_SECONDS", 0.5)
    guests = (Guest("hog", "workload:cpu_hog", memory=4 * MIB),)
    machine = Machine(guests=guests, accel="kvm", ns_per_instruction=None, memory=128 * MIB)
    with pytest.raises(
        MachineError, match="KVM opens here, but .* first guest .* --accel tcg, or --accel auto"
    ):
        machine.run()
