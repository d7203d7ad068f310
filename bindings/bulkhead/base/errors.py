"""The errors that a user can put right. Each is one line that says what is wrong, where, and what to do."""

from bulkhead import _core

_EXIT = _core.enums["landmark.Exit"]


class BulkheadError(Exception):
    """Something the user can put right; `str(error)` is one clear line that says what to do."""

    exit_status = _EXIT["bad_input"]


class SpecError(BulkheadError):
    """A guest, policy or machine that can never work as written."""


class MachineError(BulkheadError):
    """The machine died without leaving anything that can be read."""

    exit_status = _EXIT["panicked"]
