"""Several pCPUs take turns in the emulator, and the turns are short."""

from __future__ import annotations

import numpy as np
import pytest
from machines import MILLISECOND, boot, window, workload

LONGEST_ROUND = 25_000  # ns: all pCPUs have had a turn (docs/decisions/0008-turns.md)


@pytest.mark.parametrize("pcpus", (2, 4))
def test_turns_of_the_emulator_are_short(pcpus: int) -> None:
    """Guests that do nothing but leave marks show when their pCPU had a turn."""
    storms = [workload("yield_storm", "mark_yields=1", name=f"storm{i}") for i in range(pcpus)]
    run = boot(*storms, pcpus=pcpus, duration=75 * MILLISECOND)
    records = run.trace[run.trace["time"] > window(run).start]
    for pcpu in range(pcpus):
        times = records["time"][records["pcpu"] == pcpu].astype(np.int64)
        assert len(times) > 500
        assert np.percentile(np.diff(times), 99) < 2 * LONGEST_ROUND  # a rare one is ten times as long
