// grant_table_op: every operation is read once, carried out, and written back with its status. A batch stops
// at preemption points and goes on by moving its pointer and count.

#include "hv/calls/grant.hpp"

#include "abi/pae.hpp"
#include "hv/domain/domain.hpp"
#include "hv/grant/copy.hpp"
#include "hv/grant/map.hpp"

#include <utility>

namespace bulkhead::hv {

namespace {

constexpr std::uint32_t most_operations = 0x7fffffff;

static_assert(sizeof(gnttab_map_grant_ref_t) == pae_abi::map_grant_bytes &&
              sizeof(gnttab_unmap_grant_ref_t) == pae_abi::unmap_grant_bytes &&
              sizeof(gnttab_unmap_and_replace_t) == pae_abi::unmap_and_replace_bytes &&
              sizeof(gnttab_swap_grant_ref_t) == pae_abi::swap_grant_bytes &&
              sizeof(gnttab_query_size_t) == pae_abi::query_grants_bytes);

// `operate` takes the operation by reference and answers its status.
template<class T, class Operate>
[[nodiscard]] HypercallResult batch(HypercallContext& context, const GrantTableOp& call, Operate operate) {
    const GuestPtr<T> operations{call.operations};
    const auto stop_at = [&](std::uint32_t done) {
        context.arguments[1] = (operations + done).address().value();
        context.arguments[2] = call.count - done;
        return fail(Error::restart);
    };
    if (call.count > most_operations)
        return fail(Error::invalid);
    for (std::uint32_t i = 0; i < call.count; ++i) {
        if (i > 0 && machine::should_preempt())
            return stop_at(i);
        auto operation = (operations + i).read();
        if (!operation)
            return fail(operation.error());
        const GrantStatus status = operate(*operation);
        if (status == GrantStatus::restart)
            return stop_at(i);
        operation->status = static_cast<std::int16_t>(status);
        BULKHEAD_TRY((operations + i).write(*operation));
    }
    return 0;
}

// Calls with exactly one operation; `operate` answers a Result.
template<class T, class Operate>
[[nodiscard]] HypercallResult single(const GrantTableOp& call, Operate operate) {
    if (call.count != 1)
        return fail(Error::invalid);
    const GuestPtr<T> pointer{call.operations};
    auto operation = pointer.read();
    if (!operation)
        return fail(operation.error());
    BULKHEAD_TRY(operate(*operation));
    BULKHEAD_TRY(pointer.write(*operation));
    return 0;
}

[[nodiscard]] GrantResult<DomainHold> resolve(Domain& caller, domid_t id) {
    auto domain = resolve_domain(caller, id);
    if (domain)
        return *std::move(domain);
    return refuse(domain.error() == Error::no_domain ? GrantStatus::bad_domain
                                                     : GrantStatus::permission_denied);
}

// Restart keeps the frames that the table has grown by so far.
[[nodiscard]] Result<GrantStatus> grow_to(Domain& domain, std::uint32_t frames) {
    while (domain.grants.frame_count < frames) {
        if (!grow_grants(domain))
            return GrantStatus::no_space;
        if (domain.grants.frame_count < frames && machine::should_preempt())
            return fail(Error::restart);
    }
    return GrantStatus::okay;
}

template<class Word>
[[nodiscard]] Result<> list_frames(const Domain& domain, GuestPtr<Word> to, std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i)
        BULKHEAD_TRY((to + i).write(static_cast<Word>(domain.grants.frames[i].value())));
    return {};
}

GuestPtr<std::uint64_t> list_of(const gnttab_setup_table_t& operation) {
    return GuestPtr<std::uint64_t>{reinterpret_cast<std::uint64_t>(operation.frame_list.p)};
}
GuestPtr<std::uint32_t> list_of(const pae_abi::GnttabSetupTable& operation) {
    return GuestPtr<std::uint32_t>{operation.frame_list};
}

template<class Operation>
[[nodiscard]] Result<> setup_table(Domain& caller, Operation& operation) {
    const auto set_status = [&](GrantStatus status) {
        operation.status = static_cast<std::int16_t>(status);
        return Result<>{};
    };
    const auto domain = resolve(caller, operation.dom);
    if (!domain)
        return set_status(domain.error());
    if (operation.nr_frames > max_grant_frames)
        return set_status(GrantStatus::general_error);
    const auto grown = grow_to(**domain, operation.nr_frames);
    if (!grown)
        return fail(grown.error());
    if (*grown == GrantStatus::okay)
        BULKHEAD_TRY(list_frames(**domain, list_of(operation), operation.nr_frames));
    return set_status(*grown);
}

[[nodiscard]] Result<> query_size(Domain& caller, gnttab_query_size_t& operation) {
    const auto domain = resolve(caller, operation.dom);
    if (domain) {
        operation.nr_frames = (*domain)->grants.frame_count;
        operation.max_nr_frames = max_grant_frames;
    }
    operation.status = static_cast<std::int16_t>(domain ? GrantStatus::okay : domain.error());
    return {};
}

[[nodiscard]] Result<> set_version(gnttab_set_version_t& operation) {
    if (operation.version == 1)
        return {};
    return fail(operation.version == 2 ? Error::not_implemented : Error::invalid);
}

[[nodiscard]] Result<> get_version(Domain& caller, gnttab_get_version_t& operation) {
    const auto domain = resolve_domain(caller, operation.dom);
    if (!domain)
        return fail(domain.error());
    operation.version = 1;
    return {};
}

} // namespace

HypercallResult GrantTableOp::run(HypercallContext& context) const {
    Vcpu& vcpu = context.caller;
    Domain& self = context.domain;
    switch (command) {
    case GNTTABOP_map_grant_ref:
        return batch<gnttab_map_grant_ref_t>(context, *this, [&](auto& o) { return map_grant(vcpu, o); });
    case GNTTABOP_unmap_grant_ref:
        return batch<gnttab_unmap_grant_ref_t>(context, *this, [&](auto& o) { return unmap_grant(vcpu, o); });
    case GNTTABOP_unmap_and_replace:
        return batch<gnttab_unmap_and_replace_t>(context, *this,
                                                 [&](auto& o) { return unmap_and_replace(vcpu, o); });
    case GNTTABOP_copy:
        return batch<gnttab_copy_t>(context, *this, [&](auto& o) { return copy_grant(self, o); });
    case GNTTABOP_swap_grant_ref:
        return batch<gnttab_swap_grant_ref_t>(
            context, *this, [&](auto& o) { return swap_grants(self, GrantRef{o.ref_a}, GrantRef{o.ref_b}); });
    case GNTTABOP_setup_table:
        return single<gnttab_setup_table_t>(*this, [&](auto& o) { return setup_table(self, o); });
    case GNTTABOP_query_size:
        return single<gnttab_query_size_t>(*this, [&](auto& o) { return query_size(self, o); });
    case GNTTABOP_set_version:
        return single<gnttab_set_version_t>(*this, [&](auto& o) { return set_version(o); });
    case GNTTABOP_get_version:
        return single<gnttab_get_version_t>(*this, [&](auto& o) { return get_version(self, o); });
    case GNTTABOP_transfer:
    case GNTTABOP_cache_flush:
        return fail(Error::not_supported);
    default:
        return fail(Error::not_implemented); // get_status_frames among them: status frames are version 2's
    }
}

namespace {

gnttab_copy_t::gnttab_copy_ptr wide(const pae_abi::GnttabCopy::Place& place, bool is_ref) {
    gnttab_copy_t::gnttab_copy_ptr to{};
    if (is_ref)
        to.u.ref = place.ref_or_frame;
    else
        to.u.gmfn = place.ref_or_frame;
    to.domid = place.domid;
    to.offset = place.offset;
    return to;
}

GrantStatus copy_pae_grant(Domain& caller, const pae_abi::GnttabCopy& operation) {
    gnttab_copy_t to{};
    to.source = wide(operation.source, (operation.flags & GNTCOPY_source_gref) != 0);
    to.dest = wide(operation.dest, (operation.flags & GNTCOPY_dest_gref) != 0);
    to.len = operation.len;
    to.flags = operation.flags;
    return copy_grant(caller, to);
}

} // namespace

HypercallResult PaeGrantTableOp::run(HypercallContext& context) const {
    Domain& self = context.domain;
    switch (call.command) {
    case GNTTABOP_setup_table:
        return single<pae_abi::GnttabSetupTable>(call, [&](auto& o) { return setup_table(self, o); });
    case GNTTABOP_copy:
        return batch<pae_abi::GnttabCopy>(context, call, [&](auto& o) { return copy_pae_grant(self, o); });
    default: // the rest is the same in both widths, as abi/pae_check.cpp checks
        return call.run(context);
    }
}

} // namespace bulkhead::hv
