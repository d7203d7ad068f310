"""What reservations, limits and weights give to tenants that always ask, on a device of a known capacity."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple


class Tenant(NamedTuple):
    """What a guest is promised, in requests per second; no reservation and no limit are 0."""

    weight: int
    reservation: int = 0
    limit: int = 0


def allocation(capacity: Fraction, tenants: Mapping[str, Tenant]) -> dict[str, Fraction]:
    """Requests per second of each tenant that always asks, by the rule of mClock's figure 3.

    Reservations beyond the capacity share it in proportion. Else each tenant gets what is due to its weight, but no less than its
    reservation and no more than its limit.

    Source: Gulati, Merchant and Varman, "mClock: handling throughput variability for hypervisor IO scheduling", OSDI 2010.
    """
    reserved = sum(tenant.reservation for tenant in tenants.values())
    if reserved >= capacity:
        return {name: capacity * tenant.reservation / reserved for name, tenant in tenants.items()}

    def given(tenant: Tenant, level: Fraction) -> Fraction:
        due = max(Fraction(tenant.reservation), tenant.weight * level)
        return min(due, Fraction(tenant.limit)) if tenant.limit else due

    # The sum grows with the level, in straight pieces between those levels at which a tenant's bound begins or ends.
    bends = {
        Fraction(bound, each.weight) for each in tenants.values() for bound in (each.reservation, each.limit)
    }
    low, total = Fraction(0), Fraction(reserved)
    for level in (*sorted(bends - {Fraction(0)}), max(bends) + capacity):
        above = sum((given(tenant, level) for tenant in tenants.values()), Fraction(0))
        if above >= capacity:
            low += (level - low) * (capacity - total) / (above - total)
            break
        low, total = level, above
    return {name: given(tenant, low) for name, tenant in tenants.items()}
