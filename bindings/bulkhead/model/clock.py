"""The length of an instruction, under a clock that counts the instructions of all pCPUs together.

The emulator runs the pCPUs in turns and makes each instruction 2**shift ns long. In a machine of parallel pCPUs each uses
up its turns, so that one instruction of a pCPU takes 2**shift ns for each pCPU of the machine
(docs/decisions/0008-turns.md).
"""

from __future__ import annotations

from bulkhead.base.errors import SpecError

USUAL_NS = 4  # an instruction, where the number of pCPUs allows it
LONGEST_SHIFT = 10


def possible(pcpus: int, parallel: bool) -> tuple[int, ...]:
    """The lengths of an instruction that a machine can have, in ns, the shortest first."""
    sharing = pcpus if parallel else 1
    return tuple(sharing << shift for shift in range(LONGEST_SHIFT + 1))


def instruction_ns(asked: int, pcpus: int, parallel: bool) -> int:
    """The length of an instruction of a pCPU, in ns; 0 asks for the shortest of at least 4 ns.

    SpecError for a length that this number of pCPUs cannot have.
    """
    lengths = possible(pcpus, parallel)
    if asked == 0:
        return next(length for length in lengths if length >= USUAL_NS)
    if asked not in lengths:
        some = ", ".join(str(length) for length in lengths[:4])
        raise SpecError(
            f"ns_per_instruction={asked} is impossible with {pcpus} pCPU{'s' if pcpus > 1 else ''}: "
            f"write one of {some}, ... {lengths[-1]}"
        )
    return asked


def shift(length: int, pcpus: int, parallel: bool) -> int:
    """The emulator's shift for an instruction of that length."""
    return possible(pcpus, parallel).index(length)
