// The hypervisor's side of abi/landmark.hpp: the page the outside world reads.
#pragma once

#include "abi/landmark.hpp"
#include "hv/base/error.hpp"

namespace bulkhead::hv {

struct Domain;

[[nodiscard]] landmark::Page& landmark_page();
// Clears the page and says "booting".
void start_landmark();
// Reserves the table of ledger entries and `pcpus` trace rings of `trace_bytes` each.
void start_landmark_tables(landmark::LedgerEntry* entries, std::uint32_t capacity);
// A fresh entry of the ledger table; entries of domains that are gone stay readable until the table is full.
[[nodiscard]] Result<landmark::LedgerEntry*> open_ledger_entry(Domain& domain);
// The domain is gone: its entry keeps its last numbers.
void close_ledger_entry(Domain& domain);
// Copies counters that live elsewhere into the landmark: the machine's, and a domain's into its ledger entry.
void refresh_landmark();
void refresh_ledger_entry(Domain& domain);

} // namespace bulkhead::hv
