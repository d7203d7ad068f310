// The grant table of this guest (version 1, one page of entries) and mappings of what others lend.
#include "guest/runtime/grants.hpp"

#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/paging.hpp"

#include <array>

namespace bulkhead::guest::grants {
namespace {

constexpr std::size_t first_ref = 8; // the lower ones are reserved by the interface
constexpr std::size_t ref_count = page_bytes / sizeof(grant_entry_v1_t);

constinit grant_entry_v1_t* table = nullptr;

Status set_up() {
    if (table != nullptr)
        return {};
    xen_pfn_t frame = 0;
    gnttab_setup_table call{};
    call.dom = DOMID_SELF;
    call.nr_frames = 1;
    call.frame_list.p = &frame;
    if (const auto result = hypercall::grant_table_op(GNTTABOP_setup_table, &call, 1); !result)
        return std::unexpected{result.error()};
    if (const auto status = from_grant_status(call.status); !status)
        return status;
    const auto page = map_frame(Mfn{frame});
    if (!page)
        return std::unexpected{page.error()};
    table = reinterpret_cast<grant_entry_v1_t*>(*page);
    return {};
}

Result<std::size_t> free_entry() {
    for (std::size_t ref = first_ref; ref < ref_count; ++ref)
        if (table[ref].flags == GTF_invalid)
            return ref;
    return std::unexpected{Error::no_space};
}

} // namespace

Status from_grant_status(int status) {
    switch (status) {
    case GNTST_okay:
        return {};
    case GNTST_bad_domain:
        return std::unexpected{Error::no_such_domain};
    case GNTST_bad_gntref:
    case GNTST_bad_handle:
        return std::unexpected{Error::no_entry};
    case GNTST_permission_denied:
        return std::unexpected{Error::not_permitted};
    case GNTST_no_space:
    case GNTST_no_device_space:
        return std::unexpected{Error::no_space};
    case GNTST_eagain:
        return std::unexpected{Error::again};
    default:
        return std::unexpected{Error::invalid};
    }
}

Result<GrantRef> lend(const Page* page, DomainId to, Access access) {
    if (const auto ready = set_up(); !ready)
        return std::unexpected{ready.error()};
    const auto ref = free_entry();
    if (!ref)
        return std::unexpected{ref.error()};
    grant_entry_v1_t& entry = table[*ref];
    entry.domid = to.value();
    entry.frame = static_cast<std::uint32_t>(mfn_of(page).value());
    const auto flags =
        static_cast<std::uint16_t>(GTF_permit_access | (access == Access::read_only ? GTF_readonly : 0));
    __atomic_store_n(&entry.flags, flags, __ATOMIC_RELEASE); // the hypervisor may look from here on
    return GrantRef{static_cast<std::uint32_t>(*ref)};
}

bool end(GrantRef ref) {
    if (table == nullptr || ref.value() < first_ref || ref.value() >= ref_count)
        return false;
    std::uint16_t flags = __atomic_load_n(&table[ref.value()].flags, __ATOMIC_ACQUIRE);
    do {
        if ((flags & (GTF_reading | GTF_writing)) != 0)
            return false;
    } while (!__atomic_compare_exchange_n(&table[ref.value()].flags, &flags, std::uint16_t{0}, false,
                                          __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
    return true;
}

Result<Mapping> map(DomainId lender, GrantRef ref, Access access) {
    Page* const page = reserve_window(1);
    gnttab_map_grant_ref call{};
    call.host_addr = reinterpret_cast<std::uintptr_t>(page);
    call.flags = GNTMAP_host_map | (access == Access::read_only ? GNTMAP_readonly : 0);
    call.ref = ref.value();
    call.dom = lender.value();
    const auto result = hypercall::grant_table_op(GNTTABOP_map_grant_ref, &call, 1);
    const Status status = result ? from_grant_status(call.status) : Status{std::unexpected{result.error()}};
    if (!status) {
        release_window(page, 1);
        return std::unexpected{status.error()};
    }
    return Mapping{.page = page, .handle = call.handle};
}

Status unmap(const Mapping& mapping) {
    gnttab_unmap_grant_ref call{};
    call.host_addr = reinterpret_cast<std::uintptr_t>(mapping.page);
    call.handle = mapping.handle;
    if (const auto result = hypercall::grant_table_op(GNTTABOP_unmap_grant_ref, &call, 1); !result)
        return std::unexpected{result.error()};
    if (const auto status = from_grant_status(call.status); !status)
        return status;
    release_window(mapping.page, 1);
    return {};
}

} // namespace bulkhead::guest::grants
