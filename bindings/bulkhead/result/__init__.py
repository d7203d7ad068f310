"""The result of an experiment: one JSON file, from which alone figures and reports are made."""

from bulkhead.base.plain import FormatError, from_plain, to_plain
from bulkhead.result.model import (
    DomainRow,
    FactorRow,
    Ledger,
    MetricRow,
    PointResult,
    PolicyRow,
    Result,
    Rmax,
    SampleRow,
    SettingRow,
    Spread,
    VersionRow,
    lookup,
)
from bulkhead.result.store import FORMAT_VERSION, read_result, write_json, write_result

__all__ = [
    "FORMAT_VERSION",
    "DomainRow",
    "FactorRow",
    "FormatError",
    "Ledger",
    "MetricRow",
    "PointResult",
    "PolicyRow",
    "Result",
    "Rmax",
    "SampleRow",
    "SettingRow",
    "Spread",
    "VersionRow",
    "from_plain",
    "lookup",
    "read_result",
    "to_plain",
    "write_json",
    "write_result",
]
