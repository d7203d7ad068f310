"""A run in Perfetto's own format, for https://ui.perfetto.dev: one track for each pCPU and vCPU, flows, counters.

The messages come from the schema file beside this one, through Debian's protoc.
"""

from __future__ import annotations

import functools
import importlib
import subprocess
from pathlib import Path
from typing import Any

from bootstrap.tools import lack

from bulkhead.base.errors import BulkheadError
from bulkhead.study.tracks import COUNTERS, Tracks

SCHEMA = Path(__file__).with_name("perfetto.proto")
PACKAGE = "perfetto.protos"
SEQUENCE, CLEARED = 1, 1  # the one writer; SEQ_INCREMENTAL_STATE_CLEARED
BEGIN, END, INSTANT, COUNTER = 1, 2, 3, 4  # TrackEvent.Type
FIRST_PID = 1


@functools.cache
def message(name: str) -> Any:
    """The class of a message of the schema. BulkheadError if protoc or the protobuf library is missing."""
    for tool in ("protoc", "google.protobuf"):
        if lacking := lack(tool):
            raise BulkheadError(lacking)
    command = ["protoc", f"--proto_path={SCHEMA.parent}", "--descriptor_set_out=/dev/stdout", SCHEMA.name]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    descriptor_pb2 = importlib.import_module("google.protobuf.descriptor_pb2")
    factory = importlib.import_module("google.protobuf.message_factory")
    files = descriptor_pb2.FileDescriptorSet.FromString(raw)
    return factory.GetMessages(files.file)[f"{PACKAGE}.{name}"]


def write_perfetto(tracks: Tracks, path: Path) -> None:
    """The file is written packet by packet: a Trace is nothing but packets, one after another."""
    with path.open("wb") as file:
        file.write(_Writer(tracks).whole())


class _Writer:
    def __init__(self, tracks: Tracks) -> None:
        self._tracks, self._trace = tracks, message("Trace")()
        self._uuid: dict[str, int] = {}

    def whole(self) -> bytes:
        for pid, (group, names) in enumerate(self._tracks.groups.items(), FIRST_PID):
            self._process(group, pid)
            for tid, name in enumerate(names, 1):
                self._thread(name, pid, 1000 * pid + tid)
        for counter in dict.fromkeys(count.track for count in self._tracks.counts):
            descriptor = self._descriptor(f"{COUNTERS}: {counter}", counter)
            descriptor.counter.SetInParent()
        for time, _, what in sorted(self._events(), key=lambda event: event[:2]):
            self._event(time, what)
        encoded: bytes = self._trace.SerializeToString(deterministic=True)
        return encoded

    def _packet(self) -> Any:
        packet = self._trace.packet.add()
        packet.trusted_packet_sequence_id = SEQUENCE
        if len(self._trace.packet) == 1:
            packet.sequence_flags = CLEARED
        return packet

    def _descriptor(self, key: str, name: str) -> Any:
        self._uuid[key] = len(self._uuid) + 1
        descriptor = self._packet().track_descriptor
        descriptor.uuid, descriptor.name = self._uuid[key], name
        return descriptor

    def _process(self, group: str, pid: int) -> None:
        descriptor = self._descriptor(f"group {group}", group)
        descriptor.process.pid, descriptor.process.process_name = pid, group

    def _thread(self, name: str, pid: int, tid: int) -> None:
        descriptor = self._descriptor(name, name)
        descriptor.thread.pid, descriptor.thread.tid, descriptor.thread.thread_name = pid, tid, name

    def _events(self) -> list[tuple[int, int, dict[str, Any]]]:
        """Time, rank among the events of that time (ends before begins), contents."""
        found: list[tuple[int, int, dict[str, Any]]] = []
        for one in self._tracks.slices:
            track = {"track_uuid": self._uuid[one.track]}
            ends = {"terminating_flow_ids": [one.flow]} if one.flow else {}
            found.append((one.start, 2, {**track, "type": BEGIN, "name": one.name, **ends}))
            found.append((one.end, 0, {**track, "type": END}))
        for instant in self._tracks.instants:
            if instant.track in self._uuid:
                begins = {"flow_ids": [instant.flow]} if instant.flow else {}
                track = {"track_uuid": self._uuid[instant.track]}
                found.append((instant.time, 1, {**track, "type": INSTANT, "name": instant.name, **begins}))
        for count in self._tracks.counts:
            uuid = self._uuid[f"{COUNTERS}: {count.track}"]
            found.append((count.time, 1, {"track_uuid": uuid, "type": COUNTER, "counter_value": count.value}))
        return found

    def _event(self, time: int, what: dict[str, Any]) -> None:
        packet = self._packet()
        packet.timestamp = time
        for field, value in what.items():
            if isinstance(value, list):
                getattr(packet.track_event, field).extend(value)
            else:
                setattr(packet.track_event, field, value)
