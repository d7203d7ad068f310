#!/usr/bin/python3
"""Runs a guest image as domain 0 of Debian's Xen under QEMU and prints what it prints.

A guest test that passes here is right about the interface; one that then fails on Bulkhead found a difference.
Needs the packages xen-hypervisor-4.17-amd64 and qemu-system-x86. Example: on_xen.py tests.elf test=all
"""

from __future__ import annotations

import argparse
import gzip
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

ENDS = ("halting machine", "Dom0 crashed", "Reboot in", "rebooting machine")


def run(image: Path, guest_arguments: str, xen: Path, memory: str, pcpus: int, seconds: float) -> list[str]:
    """The guest's console lines, until the domain has ended or the time is over."""
    with tempfile.NamedTemporaryFile(suffix=".elf") as kernel:
        kernel.write(gzip.decompress(xen.read_bytes()))
        kernel.flush()
        command = ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max,-smap", "-icount", "shift=2,sleep=off"]
        command += [
            "-seed",
            "1",
            "-smp",
            str(pcpus),
            "-m",
            "512",
            "-display",
            "none",
            "-serial",
            "stdio",
            "-monitor",
            "none",
            "-net",
            "none",
            "-no-reboot",
            "-kernel",
            kernel.name,
        ]
        command += ["-initrd", f"{image} {guest_arguments}"]
        command += ["-append", f"com1=115200 console=com1 dom0_mem={memory} loglvl=warning"]
        machine = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        timer = threading.Timer(seconds, machine.kill)
        timer.start()
        lines = []
        assert machine.stdout is not None
        for raw in machine.stdout:
            line = raw.decode(errors="replace").rstrip()
            if not line.startswith("(XEN)"):
                lines.append(line)
            if any(end in line for end in ENDS):
                break
        timer.cancel()
        machine.kill()
        machine.wait()
        return lines


def main() -> int:
    """0 if every verdict is success or skip, and there is at least one; for an image without verdicts, 0 if it spoke."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("image", type=Path)
    parser.add_argument("arguments", nargs="*", help="the guest's command line")
    parser.add_argument("--xen", type=Path, default=Path("/boot/xen-4.17-amd64.gz"))
    parser.add_argument("--memory", default="64M", help="memory of the guest")
    parser.add_argument("--pcpus", type=int, default=1, help="pCPUs, and vCPUs of the guest")
    parser.add_argument("--seconds", type=float, default=120, help="give up after this long")
    options = parser.parse_args()
    lines = run(
        options.image,
        " ".join(options.arguments),
        options.xen,
        options.memory,
        options.pcpus,
        options.seconds,
    )
    print("\n".join(lines))
    verdicts = [line.split()[2] for line in lines if line.startswith("VERDICT ")]
    if verdicts:
        return 0 if set(verdicts) <= {"success", "skip"} else 1
    return 0 if any(line.startswith("RESULT ") for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
