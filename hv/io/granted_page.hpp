// A page that a guest lends to the back ends of its rings, held by use count and by reference while it
// exists.
#pragma once

#include "hv/base/machine.hpp"
#include "hv/domain/domain.hpp"
#include "hv/grant/active.hpp"
#include "hv/mm/paging.hpp"

namespace bulkhead::hv {

// Rings and their data are granted to the domain that is said to have the back end.
inline constexpr DomainId back_end_domain{0};

class GrantedPage {
  public:
    // The page must be the guest's own, and writable for GrantAccess::write.
    GrantedPage(Domain& guest, GrantRef ref, GrantAccess access)
        : guest_{guest}, ref_{ref}, access_{access}, status_{open()} {}
    ~GrantedPage() {
        if (has_data_)
            put_data(frame_, access_ == GrantAccess::write);
        if (has_use_)
            release_grant(guest_, ref_, access_);
    }
    GrantedPage(const GrantedPage&) = delete;
    GrantedPage& operator=(const GrantedPage&) = delete;

    // Nothing may be done with the page unless it is `okay`. restart: try again later.
    [[nodiscard]] GrantStatus status() const { return status_; }
    [[nodiscard]] std::byte* data() const { return machine::frame_as<std::byte>(frame_); }
    // The reference to the frame is the caller's from now on; the use of the grant ends as usual.
    [[nodiscard]] Mfn keep() {
        has_data_ = false;
        return frame_;
    }

  private:
    [[nodiscard]] GrantStatus open() {
        const auto frame = acquire_grant(guest_, ref_, back_end_domain, access_);
        if (!frame)
            return frame.error();
        has_use_ = true;
        const Frame* found = frame_table().find(*frame);
        if (found == nullptr || found->shared || found->owner != Owner{guest_.id})
            return GrantStatus::bad_page;
        if (const auto taken = get_data(*frame, guest_, access_ == GrantAccess::write); !taken)
            return status_of(taken.error(), GrantStatus::general_error);
        frame_ = *frame;
        has_data_ = true;
        return GrantStatus::okay;
    }

    Domain& guest_;
    GrantRef ref_;
    GrantAccess access_;
    Mfn frame_{};
    bool has_use_ = false, has_data_ = false;
    GrantStatus status_; // last: open() sets the others
};

} // namespace bulkhead::hv
