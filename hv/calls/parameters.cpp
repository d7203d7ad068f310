#include "hv/calls/parameters.hpp"

#include "hv/base/locks.hpp"
#include "hv/io/block.hpp"
#include "hv/io/net.hpp"
#include "hv/plugin/devices.hpp"
#include "hv/plugin/memory_policy.hpp"
#include "hv/plugin/scheduler.hpp"

namespace bulkhead::hv {

namespace {

Result<> from(host::Change change) {
    switch (change) {
    case host::Change::done:
        return {};
    case host::Change::unknown:
        return fail(Error::no_entry);
    case host::Change::out_of_range:
        return fail(Error::out_of_range);
    case host::Change::fixed:
        return fail(Error::not_supported);
    case host::Change::too_many:
        break;
    }
    return fail(Error::no_space);
}

// The domain keeps its changes for rings that it connects later. A group of domains has those of its member
// that came first, and what is changed for any member since.
Result<> change_ring_values(Domain& domain, const plugin::ValueChanges& changes) {
    const LockGuard drive_held{drive_lock()};
    const auto judged = devices::judge(changes);
    if (!judged)
        return fail(judged.error());
    BULKHEAD_TRY(from(*judged));
    if (!domain.ring_changes.note(changes))
        return from(host::Change::too_many);
    block_values_changed(domain, changes);
    net_values_changed(domain, changes);
    return {};
}

} // namespace

Result<> set_parameters(Domain& domain, std::uint64_t changes) {
    const auto read = GuestPtr<plugin::ValueChanges>{changes}.read();
    if (!read)
        return fail(read.error());
    switch (read->kind) {
    case plugin::Kind::scheduler: {
        const LockGuard run{run_lock()};
        return from(scheduler::change(domain, *read));
    }
    case plugin::Kind::memory: {
        const auto changed = memory_policy::change(domain, *read);
        return changed ? from(*changed) : fail(changed.error());
    }
    case plugin::Kind::ring:
        return change_ring_values(domain, *read);
    }
    return fail(Error::invalid);
}

} // namespace bulkhead::hv
