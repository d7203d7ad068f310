"""TCP's estimate of a round trip in a Linux guest: the link's delay in mode `real`, too little in mode `virtual` beside hogs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from bulkhead.experiment.runner import RunRequest, run_experiment
from bulkhead.result.model import PointResult

WITHIN = 5  # per cent of the link's delay
PARTS = 3  # of the pCPU, for a client that computes beside two hogs


def test_a_clock_that_stands_still_while_a_vcpu_waits_hides_no_delay(tmp_path: Any) -> None:
    def point(time: str, client: str, hogs: int) -> PointResult:
        sets = (f"time={time}", f"client={client}", f"hogs={hogs}")
        [found] = run_experiment(RunRequest("tcp_rtt", True, sets, jobs=1, out=tmp_path / time)).result.points
        return found

    with ThreadPoolExecutor(2) as both:
        alone = both.submit(point, "real", "idle", 0)
        beside = both.submit(point, "virtual", "computing", 2)
        real, virtual = alone.result().metrics, beside.result().metrics
    for key in ("rtt", "minrtt"):
        assert real[key] == pytest.approx(real["truth"], rel=WITHIN / 100)
        assert real[key] > real["truth"], "no packet is faster than the link"
    assert virtual["rtt"] == pytest.approx(
        virtual["truth"] / PARTS, rel=0.1
    ), "its clock runs a third of the time"
    for metrics in (real, virtual):
        assert metrics["estimates"] >= 5 and metrics["segments"] > 100
        assert [metrics[key] for key in ("sent_again", "for_nothing", "timeouts", "dropped")] == [0] * 4
