"""Compares repetitions of a point, which must be identical, and names the first record in which two differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bulkhead.experiment.archive import Captured
from bulkhead.metrics.trace import Records


@dataclass(frozen=True)
class Difference:
    """Two repetitions of one point that are not the same."""

    label: str
    repeat: int  # the one that differs from repetition 0
    what: str
    sample: int = 0

    def __str__(self) -> str:
        sample = f", sample {self.sample}" if self.sample else ""
        return f"{self.label}{sample}: repetition {self.repeat} differs from repetition 0: {self.what}"


def differences(repeats: Sequence[Captured], events: Mapping[str, int]) -> list[Difference]:
    """Those of one point's repetitions whose trace hash is not that of the first one."""
    first = repeats[0]
    return [
        Difference(
            other.point.label,
            other.repeat,
            first_difference(first.whole_run().trace, other.whole_run().trace, events),
            other.sample,
        )
        for other in repeats[1:]
        if other.run.trace_sha256 != first.run.trace_sha256
    ]


def first_difference(one: Records, other: Records, events: Mapping[str, int]) -> str:
    """The first record that is not the same in both traces, in words."""
    common = min(len(one), len(other))
    unequal = np.flatnonzero(one[:common] != other[:common])
    if len(unequal):
        at = int(unequal[0])
        return f"record {at} is {_say(one[at], events)} in one, {_say(other[at], events)} in the other"
    if len(one) != len(other):
        longer = one if len(one) > len(other) else other
        return f"one trace ends at record {common}, the other goes on with {_say(longer[common], events)}"
    return "the records are the same, but were written to other rings or in another order"


def _say(record: Any, events: Mapping[str, int]) -> str:
    names = {number: name for name, number in events.items()}
    event = names.get(int(record["event"]), f"event {record['event']}")
    return (
        f"{event} at {record['time']} ns (domain {record['domain']}, vCPU {record['vcpu']}, pCPU {record['pcpu']}, "
        f"a={record['a']}, b={record['b']})"
    )
