"""A cap is exact to 1 % under every policy that promises so, on the hypervisor and in the simulator."""

from __future__ import annotations

import pytest
from machines import BACKENDS, MILLISECOND, assert_sound, boot, share, workload

from bulkhead import Guest, Policy

CAP = 30


def hog(name: str, cap: int = 0) -> Guest:
    return workload("cpu_hog", name=name, cap=cap)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("policy", ["bvt", "credit", "credit2", "eevdf", "stride"])
def test_a_cap_beside_a_hog(policy: str, backend: str) -> None:
    run = boot(
        hog("capped", CAP), hog("free"), sched=Policy(policy), backend=backend, duration=2_000 * MILLISECOND
    )
    assert_sound(run)
    found = 100 * share(run, "capped")
    print(f"{policy} on {backend}: {found:.2f} %")
    assert found == pytest.approx(CAP, rel=0.01)
