"""Where this computer's time goes in a simulator or QEMU run: Linux perf's samples, as stacks and as a flame graph."""

from bulkhead.perf.flame import draw
from bulkhead.perf.recorder import Recording, record
from bulkhead.perf.stacks import Stacks, read_stacks

__all__ = ["Recording", "Stacks", "draw", "read_stacks", "record"]
