// Both sides are held, by use count and by reference, for exactly as long as the bytes move.

#include "hv/grant/copy.hpp"

#include "hv/base/machine.hpp"
#include "hv/domain/domain.hpp"
#include "hv/mm/paging.hpp"

#include <cstring>
#include <utility>

namespace bulkhead::hv {

namespace {

using Pointer = decltype(gnttab_copy_t::source);

// One side of a copy, open while it exists.
class CopySide {
  public:
    CopySide(Domain& caller, const Pointer& pointer, bool by_reference, GrantAccess access)
        : access_{access} {
        status_ = by_reference ? open_grant(caller, pointer) : open_own(caller, pointer);
    }
    ~CopySide() {
        if (has_data_)
            put_data(frame_, access_ == GrantAccess::write);
        if (lender_)
            release_grant(*lender_, ref_, access_);
    }
    CopySide(const CopySide&) = delete;
    CopySide& operator=(const CopySide&) = delete;

    [[nodiscard]] GrantStatus status() const { return status_; }
    [[nodiscard]] std::byte* data() const { return machine::frame_as<std::byte>(frame_); }

  private:
    [[nodiscard]] GrantStatus open_grant(Domain& caller, const Pointer& pointer) {
        auto lender =
            pointer.domid == DOMID_SELF ? DomainHold::own(caller) : hold_domain(DomainId{pointer.domid});
        if (!lender)
            return GrantStatus::bad_domain;
        const auto frame = acquire_grant(*lender, GrantRef{pointer.u.ref}, caller.id, access_);
        if (!frame)
            return frame.error();
        lender_ = std::move(lender);
        ref_ = GrantRef{pointer.u.ref};
        const Frame* found = frame_table().find(*frame);
        if (found == nullptr || found->shared)
            return GrantStatus::bad_page;
        return take(*lender_, *frame);
    }

    [[nodiscard]] GrantStatus open_own(Domain& caller, const Pointer& pointer) {
        auto owner = resolve_domain(caller, pointer.domid);
        if (!owner)
            return owner.error() == Error::no_domain ? GrantStatus::bad_domain
                                                     : GrantStatus::permission_denied;
        return take(**owner, Mfn{pointer.u.gmfn});
    }

    [[nodiscard]] GrantStatus take(Domain& owner, Mfn frame) {
        const Frame* found = frame_table().find(frame);
        if (found == nullptr || found->owner != Owner{owner.id})
            return GrantStatus::bad_page;
        if (const auto taken = get_data(frame, owner, access_ == GrantAccess::write); !taken)
            return status_of(taken.error(), GrantStatus::general_error);
        frame_ = frame;
        has_data_ = true;
        return GrantStatus::okay;
    }

    GrantAccess access_;
    GrantStatus status_;
    DomainHold lender_; // while its use count is held
    GrantRef ref_{};
    Mfn frame_{};
    bool has_data_ = false;
};

} // namespace

GrantStatus copy_grant(Domain& caller, const gnttab_copy_t& operation) {
    constexpr std::uint16_t known_flags = GNTCOPY_source_gref | GNTCOPY_dest_gref;
    const std::uint32_t bytes = operation.len;
    if ((operation.flags & ~known_flags) != 0)
        return GrantStatus::general_error;
    if (operation.source.offset + bytes > page_bytes || operation.dest.offset + bytes > page_bytes)
        return GrantStatus::bad_copy;
    const CopySide source{caller, operation.source, (operation.flags & GNTCOPY_source_gref) != 0,
                          GrantAccess::read};
    if (source.status() != GrantStatus::okay)
        return source.status();
    const CopySide destination{caller, operation.dest, (operation.flags & GNTCOPY_dest_gref) != 0,
                               GrantAccess::write};
    if (destination.status() != GrantStatus::okay)
        return destination.status();
    caller.grants.copied += bytes;
    std::memmove(destination.data() + operation.dest.offset, source.data() + operation.source.offset, bytes);
    return GrantStatus::okay;
}

} // namespace bulkhead::hv
