// Tables of calls that must fail, and how: the rows of docs/errno.md, as tests. A test that has such a table
// prints each row that answers something else.
#pragma once

#include "guest/runtime/hypercall.hpp"
#include "tests/guest/test.hpp"
#include "tests/guest/width.hpp"

namespace bulkhead::guest_test {

struct ErrnoRow {
    std::string_view call, when;
    std::string_view answer; // an errno's or a grant status's name
    long expected;
    long (*run)();
};

// What a typed call answered.
inline long answer(const Status& status) { return status ? 0 : -static_cast<long>(status.error()); }

inline void check_errnos(std::span<const ErrnoRow> rows) {
    unsigned wrong = 0;
    for (const ErrnoRow& row : rows) {
        const long got = row.run();
        if (got == row.expected)
            continue;
        ++wrong;
        print("ERRNO {}: {}: {} instead of {}\n", row.call, row.when, got, row.answer);
    }
    check(wrong == 0, "{} of {} calls answer something else", wrong, rows.size());
}

inline constexpr domid_t no_domain = 0x7abc;
template<class T>
T* unreadable() {
    return reinterpret_cast<T*>(hypervisor_memory);
}

} // namespace bulkhead::guest_test

// {"call", "when", fails(EINVAL), [] { ... }}
#define BULKHEAD_FAILS(name) #name, -XEN_##name
#define BULKHEAD_STATUS(name) #name, GNTST_##name
#define BULKHEAD_WORKS "0", 0
