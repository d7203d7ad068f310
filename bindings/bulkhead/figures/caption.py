"""Captions: what a figure shows, what its markers and whiskers are, where the numbers are from and how certain they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bulkhead.figures.spec import Bars, Course, FigureSpec, Heat, Lines, Panel, shown_paths
from bulkhead.result import Result, lookup
from bulkhead.result.samples import interval_text, sample_count

DURATION = "duration_ms"
WORDS = {"p50": "median", "p95": "95th percentile", "p99": "99th percentile", "max": "maximum"}


def caption(spec: FigureSpec, result: Result) -> str:
    """The whole caption of a figure, one paragraph."""
    parts = [*_marks(spec, result), *_references(spec, result), *_left_out(result), *_ejections(result)]
    return " ".join([spec.caption, *parts, _origin(result)])


def certainty(result: Result) -> str:
    """How certain the numbers are: exact runs of one or more phases, or why the runs are not exact."""
    phases = "one phase" if result.samples == 1 else f"{sample_count(result)} samples"
    if not result.reproducible:
        return f"{phases}, not reproducible: without instruction counting, or with real devices"
    size = "quick, " if result.quick else ""
    return (
        f"{phases}, exact (deterministic): {size}{_lengths(result)}\u00a0ms of virtual time at each point, "
        f"seed {result.seed}"
    )


def _origin(result: Result) -> str:
    return f"Values are {result.provenance}; {certainty(result)}."


def _left_out(result: Result) -> Iterator[str]:
    """Points that were not run never go without a word."""
    reasons: dict[str, int] = {}
    for why in result.left_out.values():
        reasons[why] = reasons.get(why, 0) + 1
    for why, count in reasons.items():
        yield f"Left out: {count} point{'s' if count > 1 else ''} ({why})."


def _ejections(result: Result) -> Iterator[str]:
    """Points whose policy was ejected are the fallback's from then on."""
    found = [point for point in result.points if point.ejected]
    if found:
        names = ", ".join(dict.fromkeys(name for point in found for name in point.ejected))
        yield f"At {len(found)} of {len(result.points)} points the policy was ejected ({names}): crosses."


def _lengths(result: Result) -> str:
    """How long the points are, in ms: as they were asked to be, and up to the longest if some have a length of their own."""
    if DURATION not in result.settings:  # each point has its own
        ends = [point.window_end_ns // 1_000_000 for point in result.points]  # with building the guests
        return f"{min(ends)} to {max(ends)}"
    asked = int(result.settings[DURATION].value)
    longest = max(point.window_end_ns for point in result.points) // 1_000_000  # with building the guests
    return f"{asked}" if longest < 2 * asked else f"{asked} to {longest}"


def _word(path: str) -> str:
    """What a percentile is called."""
    part = path.rpartition(".")[2]
    return WORDS.get(part, path)


def _marks(spec: FigureSpec, result: Result) -> Iterator[str]:
    """What markers and whiskers are."""
    if result.samples > 1:
        yield from _unanswered(spec, result)
        interval = interval_text(result.samples)
        if isinstance(spec, Heat):
            yield f"Cells: median of {sample_count(result)} samples."
        elif isinstance(spec, Course):
            yield f"Lines: median of {sample_count(result)} samples; bands: their {interval}."
        else:
            shown = "Bars" if isinstance(spec, Bars) and not spec.quantity.log else "Markers"
            yield f"{shown}: median of {sample_count(result)} samples; whiskers: their {interval}."
        return
    yield from _unended(spec, result)
    if isinstance(spec, Lines):
        yield from dict.fromkeys(_percentiles(panel) for panel in spec.panels if panel.low and panel.high)


def _unanswered(spec: FigureSpec, result: Result) -> Iterator[str]:
    """Whether markers are of fewer samples than there are: a run may have no answer, as a delay that never ended."""
    paths = shown_paths(spec)
    points = [
        point
        for point in result.points
        if any(0 < spread.answers < result.samples for path, spread in point.spread.items() if path in paths)
    ]
    if points:
        yield (
            f"At {len(points)} of {len(result.points)} points some samples have no answer; "
            "markers need one in more than half of them."
        )


def _unended(spec: FigureSpec, result: Result) -> Iterator[str]:
    """Points without a marker, since the delay that decides it had not ended when the run did."""
    missing: dict[str, list[str]] = {}
    for path in dict.fromkeys(shown_paths(spec)):
        for point in result.points:
            whole = point.metrics.get(path.partition(".")[0])
            if isinstance(whole, Mapping) and whole.get("unfinished") and lookup(point.metrics, path) is None:
                levels = ", ".join(f"{name}={level}" for name, level in point.levels.items())
                missing.setdefault(_word(path), []).append(levels)
    for word, points in missing.items():
        yield f"No {word}, since some delays had not ended with the run: {'; '.join(points)}."


def _percentiles(panel: Panel) -> str:
    low, high = _word(panel.low or ""), _word(panel.high or "")
    return f"Markers: {_word(panel.path)}; whiskers: {low} to {high} of the same run."


def _references(spec: FigureSpec, result: Result) -> Iterator[str]:
    """Numbers measured elsewhere never lie beside simulated ones without a word."""
    if isinstance(spec, Lines) and any(panel.references for panel in spec.panels):
        if result.backend != "qemu":
            yield "The references (red) are measured, not simulated."
