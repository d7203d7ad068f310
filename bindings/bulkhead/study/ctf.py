"""A run in the Common Trace Format 1.8, a folder for babeltrace2 and Trace Compass: one stream, each record as it was.

The format: M. Desnoyers, "Common Trace Format (CTF) Specification", v1.8.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bulkhead.base.schema import EVENTS
from bulkhead.study.names import Names

MAGIC = 0xC1FC1FC1
# As the metadata says it, without padding.
HEADER = np.dtype([("magic", "<u4"), ("stream_id", "<u4")])
RECORD = np.dtype(
    [
        ("id", "<u2"),
        ("timestamp", "<u8"),
        ("domain", "<u2"),
        ("vcpu", "<u2"),
        ("pcpu", "<u2"),
        ("a", "<u8"),
        ("b", "<u8"),
    ]
)
HEAD = """\
/* CTF 1.8 */
typealias integer { size = 16; align = 8; signed = false; } := uint16_t;
typealias integer { size = 32; align = 8; signed = false; } := uint32_t;
typealias integer { size = 64; align = 8; signed = false; } := uint64_t;
trace {
  major = 1; minor = 8; byte_order = le;
  packet.header := struct { uint32_t magic; uint32_t stream_id; };
};
env { tracer_name = "bulkhead"; trace_sha256 = "%s"; };
clock { name = machine; description = "real time of the machine, ns since power-on"; freq = 1000000000; };
typealias integer { size = 64; align = 8; signed = false; map = clock.machine.value; } := time_t;
stream {
  id = 0;
  event.header := struct { uint16_t id; time_t timestamp; };
};
"""


def write_ctf(names: Names, folder: Path) -> None:
    """Metadata and one stream."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metadata").write_text("".join(_metadata(names)), encoding="utf-8")
    records = names.trace.records
    rows = np.zeros(len(records), dtype=RECORD)
    rows["id"], rows["timestamp"] = records["event"], records["time"]
    for field in ("domain", "vcpu", "pcpu", "a", "b"):
        rows[field] = records[field]
    header = np.zeros(1, dtype=HEADER)
    header["magic"] = MAGIC
    (folder / "stream").write_bytes(header.tobytes() + rows.tobytes())


def _metadata(names: Names) -> Iterator[str]:
    yield HEAD % names.run.trace_sha256
    for name, row in EVENTS.items():
        yield f"event {{\n  name = {name}; id = {row['number']}; stream_id = 0;\n  fields := struct {{\n"
        yield "    uint16_t domain; uint16_t vcpu; uint16_t pcpu; uint64_t a; uint64_t b;\n  };\n};\n"
