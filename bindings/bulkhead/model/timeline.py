"""Events of a machine by time, written as a sentence: Timeline().at("30ms", "unpause", "hog")."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bulkhead.base.errors import SpecError
from bulkhead.base.schema import enum_value
from bulkhead.base.text import parse_duration
from bulkhead.model.machine import Machine
from bulkhead.model.spec import Policy, TimelineEntry

STOP = "stop"


@dataclass(frozen=True)
class Done:
    """An action that was carried out on a running machine."""

    action: str
    guest: str | None
    argument: int
    policy: Policy | None
    ordered_at: int  # ns since the guests were built: when the machine stood still for it
    done_at: int | None  # ns: when domain 0 had done it; None if the run ended with it
    kind: str = "scheduler"  # of `policy`, or of the one that has the `parameters`
    parameters: dict[str, int] | None = None


def is_steered(timeline: Iterable[TimelineEntry]) -> bool:
    """Whether the machine stands still on its way, for orders from outside."""
    return any(entry.action == STOP for entry in timeline)


def batches(timeline: Iterable[TimelineEntry]) -> list[list[TimelineEntry]]:
    """The entries by time, cut after each stop: what the machine begins with, then what it gets at its stops."""
    found: list[list[TimelineEntry]] = [[]]
    for entry in sorted(timeline, key=lambda entry: entry.at):
        found[-1].append(entry)
        if entry.action == STOP:
            found.append([])
    return found


def absent_at_start(machine: Machine) -> set[str]:
    """Names of the guests that are not built before the timeline creates them."""
    if machine.absent is not None:
        return set(machine.absent)
    first: dict[str, str] = {}
    for entry in sorted(machine.timeline, key=lambda entry: entry.at):
        if entry.guest is not None and entry.action in ("create", "destroy"):
            first.setdefault(entry.guest, entry.action)
    return {name for name, action in first.items() if action == "create"}


class Timeline(tuple[TimelineEntry, ...]):
    """Timeline entries in the order in which they were said; a `Machine` sorts them by time. Each call returns a new one."""

    def at(
        self,
        when: int | str,
        action: str,
        guest: str | None = None,
        argument: int = 0,
        policy: Policy | None = None,
        kind: str = "scheduler",
        parameters: dict[str, int] | None = None,
    ) -> Timeline:
        """Add an action `when` ns (or "30ms", "1s") after the guests are built.

        Actions: unpause, pause, destroy, set_weight (argument: 1 to 65535), create, audit, end_run, those that ask the
        guest, swap: `policy` takes over from the one of its `kind` (scheduler, memory, ring), and set_parameters: the
        guest has these `parameters` of the policy of that `kind` from then on, the others as before. SpecError for an
        unknown action or a time before the start.
        """
        ns = parse_duration(when, "timeline") if isinstance(when, str) else when
        if not isinstance(ns, int) or ns < 0:
            raise SpecError(
                f"timeline: when={when!r}; write whole nanoseconds from 0 up, or for example '30ms'"
            )
        enum_value("manifest.Action", action, "timeline action")
        return Timeline((*self, TimelineEntry(ns, action, guest, argument, policy, kind, parameters)))
