"""The quick points of an experiment that has policies and co-runners, on both back ends."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from machines import BACKENDS

from bulkhead.experiment.runner import RunRequest, run_experiment
from bulkhead.result.model import PointResult

Points = dict[str, dict[tuple[str, str], PointResult]]  # by back end, policy and co-runner


def quick_points(
    experiment: str,
    kind: str,
    policies: Sequence[str],
    corunners: Sequence[str],
    folders: pytest.TempPathFactory,
) -> Points:
    """`kind` is the factor that has the policies."""
    sets = (f"{kind}={','.join(policies)}", f"corunners={','.join(corunners)}")
    found: Points = {}
    for backend in BACKENDS:
        request = RunRequest(experiment, True, sets, backend=backend, out=folders.mktemp(backend))
        points = run_experiment(request).result.points
        found[backend] = {(str(p.levels[kind]), str(p.levels["corunners"])): p for p in points}
    return found
