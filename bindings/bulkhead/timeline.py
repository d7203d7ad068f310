"""What happens to a machine when, written as it is said: Timeline().at("30ms", "unpause", "hog")."""

from __future__ import annotations

from bulkhead.schema import enum_value
from bulkhead.spec import SpecError, TimelineEntry
from bulkhead.text import parse_duration


class Timeline(tuple[TimelineEntry, ...]):
    """Timeline entries in the order in which they were said; a `Machine` sorts them by time. Each call returns a new one."""

    def at(self, when: int | str, action: str, guest: str | None = None, argument: int = 0) -> Timeline:
        """Add an action `when` ns (or "30ms", "1s") after the guests are built.

        Actions: unpause, pause, destroy, set_weight (argument: 1 to 65535), create, audit, end_run, and those that ask the
        guest. SpecError for an unknown action or a time before the start.
        """
        ns = parse_duration(when, "timeline") if isinstance(when, str) else when
        if not isinstance(ns, int) or ns < 0:
            raise SpecError(
                f"timeline: when={when!r}; write whole nanoseconds from 0 up, or for example '30ms'"
            )
        enum_value("manifest.Action", action, "timeline action")
        return Timeline((*self, TimelineEntry(ns, action, guest, argument)))
