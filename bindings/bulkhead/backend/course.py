"""How the policies of a machine, and the parameters that they have for each guest, stand at an instant of its timeline.

A change stays with its guest until the guest goes. A policy that takes over finds what was changed of the parameters that
it knows, by their names and units; of what a guest was given from the start only the first policy hears.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bulkhead import _core
from bulkhead.backend.reservations import check_reservations, contradiction, reservation_doubts
from bulkhead.base.errors import SpecError
from bulkhead.model.machine import Machine
from bulkhead.model.spec import Policy, TimelineEntry
from bulkhead.policy.choose import choose
from bulkhead.policy.tables import KIND_OPTION, KIND_TEXT, Parameter, PolicyTable, effective, kind_number

SET_PARAMETERS = "set_parameters"
Changes = tuple[int, list[tuple[int, int]]]  # kind of the policy; key and value of each parameter
NO_CHANGES: Changes = (0, [])


def _fits(row: Parameter, value: int | None) -> bool:
    return value is not None and row.least <= value <= row.most


class Course:
    """A machine on its way through its timeline; `machine` is what it would be if it began like this."""

    def __init__(self, machine: Machine) -> None:
        self._first = self.machine = machine
        self._changed: dict[tuple[str, str], dict[tuple[str, str], int]] = {}  # by guest and kind

    def policy(self, kind: str) -> PolicyTable | None:
        """The active policy of a kind, if all goes well; None for the built-in fallback."""
        spec: Policy | None = self.machine.policies[kind]
        return choose(kind, spec).policy if spec is not None else None

    def _rows(self, kind: str) -> dict[str, Parameter]:
        policy = self.policy(kind)
        return {row.name: row for row in policy.domain_parameters} if policy is not None else {}

    def changes(self, entry: TimelineEntry) -> Changes:
        """What a back end is told of an entry; the key of a parameter that the policy does not know fits none."""
        if entry.action != SET_PARAMETERS or entry.parameters is None:
            return NO_CHANGES
        rows = self._rows(entry.kind)
        units = {name: rows[name].unit if name in rows else "" for name in entry.parameters}
        keys = [(_core.parameter_key(name, units[name]), value) for name, value in entry.parameters.items()]
        return kind_number(entry.kind), keys

    def follow(self, entry: TimelineEntry) -> None:
        """What comes after the entry, if it is carried out."""
        if entry.action == "swap" and entry.policy is not None:
            self.machine = replace(self.machine, **{KIND_OPTION[entry.kind]: entry.policy})
            self._settle(entry.kind)
        elif entry.action == SET_PARAMETERS and entry.parameters is not None:
            rows = self._rows(entry.kind)
            changed = self._changed.setdefault((str(entry.guest), entry.kind), {})
            known = {name: value for name, value in entry.parameters.items() if name in rows}
            changed.update({(name, rows[name].unit): value for name, value in known.items()})
            self._settle(entry.kind)
        elif entry.action in ("create", "destroy"):
            for kind in KIND_OPTION:
                if self._changed.pop((str(entry.guest), kind), None) is not None:
                    self._settle(kind)

    def _settle(self, kind: str) -> None:
        """The parameters of every guest, as the active policy has them."""
        option, rows = KIND_OPTION[kind], self._rows(kind)
        begun: Policy | None = self._first.policies[kind]
        policy = self.policy(kind)
        is_first = begun is not None and policy is not None and choose(kind, begun).policy.name == policy.name
        guests = []
        for guest in self._first.guests:
            changed = self._changed.get((guest.name, kind), {})
            values = dict(getattr(guest, option)) if is_first else {}
            for row in rows.values():
                if _fits(row, value := changed.get((row.name, row.unit))):
                    values[row.name] = value
            now = next(each for each in self.machine.guests if each.name == guest.name)
            guests.append(replace(now, **{option: values}))
        self.machine = replace(self.machine, guests=tuple(guests))

    def check(self, entry: TimelineEntry) -> None:
        """SpecError for a change that the policy refuses, or that reserves more than there is. Nothing is followed."""
        if entry.action != SET_PARAMETERS or entry.parameters is None:
            return
        what = f"timeline: {SET_PARAMETERS} of {entry.guest}"
        policy = self.policy(entry.kind)
        if policy is None:
            raise SpecError(
                f"{what}: the machine has no {KIND_TEXT[entry.kind]} then; name the one that the run begins with "
                f"(--{KIND_OPTION[entry.kind]})"
            )
        try:
            effective(policy, policy.domain_parameters, entry.parameters, "parameter of domains")
        except SpecError as error:
            raise SpecError(f"{what}: {error}") from None
        if policy.has("fixes_values"):
            raise SpecError(f"{what}: under {policy.name} a guest keeps the parameters that it came with")
        self._check_room(what, entry)

    def _check_room(self, what: str, entry: TimelineEntry) -> None:
        """More may not be reserved than there is; to reserve less is right even if it is still too much."""
        after = Course(self._first)
        after.machine, after._changed = self.machine, {
            whose: dict(all) for whose, all in self._changed.items()
        }
        after.follow(entry)
        if contradicts := contradiction(after.machine, entry.kind):
            raise SpecError(f"{what}: {contradicts}")
        try:
            check_reservations(after.machine)
        except SpecError as error:
            raise SpecError(f"{what}: {error}") from None
        former = set(reservation_doubts(self.machine))
        if (
            doubt := next((each for each in reservation_doubts(after.machine) if each not in former), None)
        ) is None:
            return
        before = self._values_of(str(entry.guest), entry.kind)
        if any(value > before[name] for name, value in (entry.parameters or {}).items()):
            raise SpecError(f"{what}: {doubt}")

    def _values_of(self, guest: str, kind: str) -> dict[str, int]:
        given = next(getattr(each, KIND_OPTION[kind]) for each in self.machine.guests if each.name == guest)
        return {name: given.get(name, row.initial) for name, row in self._rows(kind).items()}


def check_changes(machine: Machine, timeline: Iterable[TimelineEntry] | None = None) -> None:
    """SpecError for the first change of the machine's timeline (or of another) that is refused, one line."""
    entries = sorted(machine.timeline if timeline is None else timeline, key=lambda entry: entry.at)
    if all(entry.action != SET_PARAMETERS for entry in entries):
        return
    course = Course(machine)
    for entry in entries:
        course.check(entry)
        course.follow(entry)
