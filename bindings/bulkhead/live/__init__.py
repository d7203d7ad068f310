"""A machine in hand while it runs: `Watch` looks, `Live` steers, on either back end."""

from bulkhead.live.steer import Live
from bulkhead.live.watch import Watch
from bulkhead.model.machine import REGISTRY

REGISTRY.add_watch(Watch)
REGISTRY.add_live(Live)
