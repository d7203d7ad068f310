#!/usr/bin/python3
"""Runs a guest image as domain 0 of Debian's Xen under QEMU and prints what it prints.

A guest test that passes here is right about the interface; one that then fails on Bulkhead found a difference.
Needs the packages xen-hypervisor-4.17-amd64 and qemu-system-x86. Example: on_xen.py tests.elf test=all
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "bindings"), str(ROOT)]

from bulkhead.backend.qemu.xen import OnXen, run_on_xen  # noqa: E402
from bulkhead.base.paths import xen_image  # noqa: E402
from bulkhead.base.units import MIB  # noqa: E402


def main() -> int:
    """0 if every verdict is success or skip, and there is at least one; for an image without verdicts, 0 if it spoke."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("image", type=Path)
    parser.add_argument("arguments", nargs="*", help="the guest's command line")
    parser.add_argument("--xen", type=Path, default=xen_image())
    parser.add_argument("--memory", type=int, default=64, help="MiB of the guest")
    parser.add_argument("--pcpus", type=int, default=1, help="pCPUs, and vCPUs of the guest")
    parser.add_argument("--seconds", type=float, default=120, help="give up after this long")
    options = parser.parse_args()
    said = run_on_xen(
        OnXen(
            options.image,
            options.xen,
            " ".join(options.arguments),
            options.memory * MIB,
            options.pcpus,
            host_timeout=options.seconds,
        )
    )
    print(said, end="")
    lines = said.splitlines()
    verdicts = [line.split()[2] for line in lines if line.startswith("VERDICT ")]
    if verdicts:
        return 0 if set(verdicts) <= {"success", "skip"} else 1
    return 0 if any(line.startswith("RESULT ") for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
