"""The errors that a user can put right. Each is one line that says what is wrong, where, and what to do."""

import traceback

from bulkhead import _core

_EXIT = _core.enums["landmark.Exit"]


def mistake(error: BaseException) -> str:
    """An unexpected error in a user's own Python, as one line: what and where."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: {error.msg}"
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename}:{frames[-1].lineno}: " if frames else ""
    return f"{where}{type(error).__name__}: {error}"


class BulkheadError(Exception):
    """Something the user can put right; `str(error)` is one clear line that says what to do."""

    exit_status = _EXIT["bad_input"]


class SpecError(BulkheadError):
    """A guest, policy or machine that can never work as written."""


class Interrupted(BulkheadError):
    """The user interrupted the work; the message says what is kept and how to go on."""

    exit_status = 130  # as a shell reports an interrupt


class MachineError(BulkheadError):
    """The machine died without leaving anything that can be read."""

    exit_status = _EXIT["panicked"]
