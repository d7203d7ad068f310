"""The guest tests as domain 0 of Debian's Xen: a test that fails there is wrong about the interface.

Needs Xen's image, from the package xen-hypervisor-4.17-amd64 or at the path that BULKHEAD_XEN names.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bulkhead.base import paths

XEN = paths.xen_image()
RUNNER = Path(__file__).resolve().parents[1] / "guest" / "on_xen.py"
VERDICT = re.compile(r"^VERDICT (\S+) (success|skip|failure|error) ?(.*)$", re.MULTILINE)
needs_xen = pytest.mark.skipif(not XEN.exists(), reason=f"there is no Xen at {XEN}: set BULKHEAD_XEN")


def verdicts(test: str, pcpus: int = 1) -> dict[str, str]:
    """What each test says there."""
    command = [sys.executable, str(RUNNER), str(paths.test_image()), f"test={test}", "--xen", str(XEN)]
    said = subprocess.run([*command, "--pcpus", str(pcpus)], capture_output=True, text=True).stdout
    assert "TESTS " in said, said
    return {name: f"{word} {text}".strip() for name, word, text in VERDICT.findall(said)}


@needs_xen
def test_all_guest_tests_agree_with_xen() -> None:
    found = verdicts("all")
    assert len(found) > 60
    wrong = {name: verdict for name, verdict in found.items() if not verdict.startswith(("success", "skip"))}
    assert not wrong


@needs_xen
def test_tests_of_two_pcpus_agree_with_xen() -> None:
    assert verdicts("running_vcpu", pcpus=2) == {"running_vcpu": "success"}
