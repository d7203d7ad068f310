# Types of the compiled module; what the values mean is said in bindings/*.cpp.
from typing import Any, TypedDict

import numpy as np

class EventRow(TypedDict):
    number: int
    group: int
    name: str
    a: str
    b: str
    help: str

class ParameterRow(TypedDict):
    name: str
    unit: str
    help: str
    initial: int
    least: int
    most: int

class DescriptorRow(TypedDict):
    kind: int
    name: str
    summary: str
    good_at: str
    bad_at: str
    source: str
    parameters: list[ParameterRow]

layouts: dict[str, np.dtype[Any]]
constants: dict[str, int]
enums: dict[str, dict[str, int]]
events: list[EventRow]
compiler: str

def read_plugin(path: str) -> DescriptorRow: ...
def check_kernel(path: str, memory_bytes: int, initrd_bytes: int) -> None: ...
def read_section(path: str, name: str) -> bytes: ...
