"""The back ends: `qemu` boots the hypervisor, `sim` simulates it. Both offer `bulkhead.backend.protocol.Backend`."""

from bulkhead.backend.qemu.backend import Qemu
from bulkhead.backend.sim.backend import Simulator
from bulkhead.model.machine import REGISTRY

REGISTRY.add_backend(Qemu())
REGISTRY.add_backend(Simulator())
