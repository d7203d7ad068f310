"""A sweep that was interrupted goes on where it was, and trusts nothing that was made otherwise."""

from __future__ import annotations

from pathlib import Path

from bulkhead.experiment.runner import Request, run_experiment

SETS = ("sched=round_robin", "victim=compute", "hogs=0,1", "duration_ms=150", "warm_up_ms=100")


def sweep(out: Path, *more: str):  # type: ignore[no-untyped-def]
    request = Request("noisy_neighbour", True, (*SETS, *more), jobs=1, backend="sim", out=out, resume=True)
    return run_experiment(request).result


def runs(out: Path) -> dict[str, int]:
    """When each run was made."""
    folder = out / "runs" / "noisy_neighbour"
    return {path.name: (path / "point.json").stat().st_mtime_ns for path in folder.iterdir()}


def test_finished_points_are_kept_and_the_others_made(tmp_path: Path) -> None:
    whole = sweep(tmp_path)
    before = runs(tmp_path)
    lost = sorted(before)[1]
    (
        tmp_path / "runs" / "noisy_neighbour" / lost / "point.json"
    ).unlink()  # written last: this run never ended
    assert sweep(tmp_path).points == whole.points
    after = runs(tmp_path)
    assert {name for name in before if after[name] != before[name]} == {lost}
    sweep(tmp_path, "seed=2")  # another machine is another run
    assert all(runs(tmp_path)[name] != made for name, made in after.items())
