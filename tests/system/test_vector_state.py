"""Vector registers stay a guest's own, however often the processor changes hands."""

from __future__ import annotations

import re

from machines import assert_sound, boot, said, workload


def test_two_guests_keep_their_registers() -> None:
    run = boot(
        workload("vector_state", "seed=1 for_ms=150", name="one"),
        workload("vector_state", "seed=2 for_ms=150", name="two"),
        workload("yield_storm"),
    )
    assert_sound(run)
    for name in ("one", "two"):
        result = re.search(r"rounds=(\d+) wrong=(\d+)", run.consoles[name])
        assert result, said(run)
        assert int(result[1]) > 100 and int(result[2]) == 0, said(run)
        assert run.landmark.ledger[name].run_ins > 20, "the guests were not switched"
