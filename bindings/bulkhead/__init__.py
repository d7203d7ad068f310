"""Bulkhead, a testbed for performance isolation: describe a `Machine`, run it, study the `Run`."""

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

from bootstrap.build import build_dir

# The compiled module lives where it was built.
__path__.append(str(build_dir("release") / "bindings" / "native"))

if TYPE_CHECKING:
    from bulkhead.public import *  # noqa: F401, F403


def __getattr__(name: str) -> Any:
    """The public names are loaded with the first of them: a command that needs none starts in a third of the time."""
    if name == "__all__":
        return importlib.import_module("bulkhead.public").__all__
    if name.startswith("__"):
        raise AttributeError(name)
    if importlib.util.find_spec(f"bulkhead.{name}") is not None:
        return importlib.import_module(f"bulkhead.{name}")
    public = importlib.import_module("bulkhead.public")
    if name not in public.__all__:
        raise AttributeError(f"module 'bulkhead' has no attribute '{name}'")
    globals()[name] = value = getattr(public, name)
    return value
