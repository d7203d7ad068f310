"""Compares a result with a reference: bit for bit where both were made with the same things, else within a tolerance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bulkhead.result.model import PointResult, Result

Number = int | float | None


def comparable_bits(reference: Result, other: Result) -> bool:
    """Whether the two must be the same to the last bit: same commit, QEMU and compiler, no local changes, exact runs."""
    clean = not reference.versions.dirty and reference.versions == other.versions
    return clean and reference.reproducible and other.reproducible


def differences(reference: Result, other: Result, tolerance: float = 0.0) -> list[str]:
    """The differences at the reference's points, one line for each number; empty if all numbers agree.

    `tolerance` is relative to the larger of the two numbers. With 0 the traces must be the same as well.
    """
    found: list[str] = []
    for point in reference.points:
        label = ",".join(f"{name}={value}" for name, value in point.levels.items())
        partners = [candidate for candidate in other.points if candidate.levels == point.levels]
        if len(partners) != 1:
            found.append(f"{label}: {len(partners)} such points")
            continue
        if tolerance == 0 and point.trace_sha256 != partners[0].trace_sha256:
            found.append(f"{label}: trace {point.trace_sha256[:12]} against {partners[0].trace_sha256[:12]}")
        if tolerance == 0:
            found += [f"{label}: {what}" for what in _samples(point, partners[0])]
        there = dict(numbers(partners[0].metrics))
        for path, value in numbers(point.metrics):
            if path not in there or not close(value, there[path], tolerance):
                found.append(f"{label}: {path} is {value} against {there.get(path, 'nothing')}")
    return found


def _samples(point: PointResult, partner: PointResult) -> Iterator[str]:
    """Samples with other traces, and a number of samples that is not the same."""
    if len(point.samples) != len(partner.samples):
        yield f"{len(point.samples)} samples against {len(partner.samples)}"
    for one, other in zip(point.samples, partner.samples):
        if one.trace_sha256 != other.trace_sha256:
            yield f"sample {one.sample}: trace {one.trace_sha256[:12]} against {other.trace_sha256[:12]}"


def close(one: Number, other: Number, tolerance: float) -> bool:
    """Equal, or not further apart than `tolerance` times the larger."""
    if one is None or other is None or one == other:
        return one == other
    return abs(one - other) <= tolerance * max(abs(one), abs(other))


def numbers(metrics: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Number]]:
    """Every number of a point's metrics with its path."""
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            yield from numbers(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
