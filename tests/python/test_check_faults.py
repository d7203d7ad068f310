"""`check` finds a planted fault of each sort, in policies outside of the checkout: memory errors, undefined behaviour, what is
lost, what is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from bulkhead.base.sdk import build_folder
from bulkhead.model.spec import Policy
from bulkhead.policy.choose import choose
from bulkhead.policy.scaffold import scaffold
from bulkhead.policy.tables import KIND_OPTION
from bulkhead.testing.check.sanitized import CLEAN, sanitized

# Of a kind: in the scaffold's text, what is replaced by what.
Edits = tuple[tuple[str, str], ...]
SCHED_STATE = "    Nanos slice_;\n"
RING_STATE = "    intrusive::list<Request> queue_;"
MEMORY_STATE = "    std::span<const memctl::Zone> zones_;\n"
SHIFT = "    std::int32_t by_ = 40;\n    std::int64_t sum_ = 0;\n"
CLEAN_EDITS: Edits = ()
FAULTS: dict[str, tuple[str, Edits, str, str]] = {
    "sched_fine": ("scheduler", CLEAN_EDITS, "", ""),
    "sched_overflow": (
        "scheduler",
        (
            ("struct Vcpu :", "struct Table {\n        std::int64_t rows[4];\n    };\n    struct Vcpu :"),
            (
                "slice_{microseconds(setup.values[0])} {}",
                "slice_{microseconds(setup.values[0])}, table_{setup.services.template allocate<Table>()} {}",
            ),
            (
                "void wake(Vcpu& vcpu, RealTime) {",
                "void wake(Vcpu& vcpu, RealTime) { table_->rows[0] = 0; note(table_->rows);",
            ),
            (
                "  private:\n",
                "  private:\n    void note(std::int64_t* row) { row[count_++ % 5] = 1; }\n    std::uint32_t count_ = 0;\n",
            ),
            (SCHED_STATE, SCHED_STATE + "    Table* table_;\n"),
        ),
        CLEAN,
        r"heap-buffer-overflow at sched_overflow.cpp:\d+",
    ),
    "sched_shift": (
        "scheduler",
        (
            ("void attach(Vcpu&) {}", "void attach(Vcpu&) { sum_ += 1 << by_; }"),
            (SCHED_STATE, SHIFT + SCHED_STATE),
        ),
        CLEAN,
        r"sched_shift.cpp:\d+: shift exponent 40 is too large",
    ),
    "sched_loses": (
        "scheduler",
        (
            (
                "void wake(Vcpu& vcpu, RealTime) {",
                "void wake(Vcpu& vcpu, RealTime) {\n        if (++wakes_ % 50 == 0)\n            return;\n",
            ),
            (SCHED_STATE, SCHED_STATE + "    std::uint32_t wakes_ = 0;\n"),
        ),
        "random machines are legal and work conserving",
        "idle",
    ),
    "ring_fine": ("ring", CLEAN_EDITS, "", ""),
    "ring_overflow": (
        "ring",
        (
            (
                "void enqueue(Request& request, RealTime) {",
                "void enqueue(Request& request, RealTime) {\n        *reinterpret_cast<std::int64_t*>(&request + 1) = 1;",
            ),
        ),
        CLEAN,
        r"use-after-poison at ring_overflow.cpp:\d+",
    ),
    "ring_stale": (
        "ring",
        (
            (
                "Request& oldest = queue_.front();",
                "Request& oldest = queue_.front();\n        sum_ += last_ == nullptr ? 0 : last_->bytes;\n last_ = &oldest;",
            ),
            (RING_STATE, "    Request* last_ = nullptr;\n    std::uint64_t sum_ = 0;\n" + RING_STATE),
        ),
        CLEAN,
        r"use-after-poison at ring_stale.cpp:\d+",
    ),
    "ring_loses": (
        "ring",
        (
            (
                "void enqueue(Request& request, RealTime) {",
                "void enqueue(Request& request, RealTime) {\n        if (request.number % 20 == 19)\n            return;\n",
            ),
            (
                "void withdraw(Request& request) {",
                "void withdraw(Request& request) {\n        if (request.number % 20 == 19)\n            return;\n",
            ),
        ),
        "no request is lost or served twice",
        "though a request is queued|a request before one that it has to stay behind",
    ),
    "memory_fine": ("memory", CLEAN_EDITS, "", ""),
    "memory_stray": (
        "memory",
        (
            (
                "std::min(plan.domain(i).most, left_);",
                "std::min(plan.domain(i).most, left_) + Frames{plan.size() > 2 ? 1 : 0};",
            ),
        ),
        "no frame is lost or given twice and targets keep their bounds",
        "rebalance: ",
    ),
    "memory_overflow": (
        "memory",
        (
            (
                "bool admit(Domain& domain) {",
                "bool admit(Domain& domain) {\n        *reinterpret_cast<std::int64_t*>(&domain + 1) = 1;",
            ),
        ),
        CLEAN,
        r"use-after-poison at memory_overflow.cpp:\d+",
    ),
    "memory_sum": (
        "memory",
        (
            ("bool admit(Domain& domain) {", "bool admit(Domain& domain) {\n        sum_ += INT64_MAX / 2;"),
            (MEMORY_STATE, "    std::int64_t sum_ = 3;\n" + MEMORY_STATE),
        ),
        CLEAN,
        r"memory_sum.cpp:\d+: signed integer overflow",
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("policies")
    for name, (kind, edits, _, _) in FAULTS.items():
        command = "scheduler" if kind == "scheduler" else KIND_OPTION[kind]
        path = scaffold(command, name, made)
        text = path.read_text(encoding="utf-8")
        for old, new in edits:
            assert old in text, (name, old)
            text = text.replace(old, new, 1)
        path.write_text(text, encoding="utf-8")
    build_folder(made)
    return made


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_a_planted_fault_is_found(name: str, folder: Path) -> None:
    kind, edits, promise, why = FAULTS[name]
    spec = Policy(str(folder / "build" / f"{name}.so"))
    verdicts = {verdict.promise: verdict for verdict in sanitized(choose(kind, spec))}
    broken = {verdict.promise: verdict.detail for verdict in verdicts.values() if verdict.holds is not True}
    if not edits:
        assert broken == {} and len(verdicts) > 4
        return
    assert re.search(why, broken[promise]), broken
