// A page that a guest lends to the back ends of its rings, held by use count and by reference while it
// exists, or for one copy.
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

// Such a page for the length of one copy: the lock of the guest's grants is held as long as this exists, so
// no other lock of a smaller rank may be taken meanwhile, and no second one of these.
class CopiedPage {
  public:
    CopiedPage(Domain& guest, GrantRef ref, GrantAccess access)
        : guest_{guest}, ref_{ref}, writes_{access == GrantAccess::write},
          use_{begin_passing_use(guest, ref, back_end_domain, access)}, status_{take()} {}
    ~CopiedPage() {
        if (status_ == GrantStatus::okay) [[likely]]
            put_data(use_.frame, writes_);
        end_passing_use(guest_, ref_, use_);
    }
    CopiedPage(const CopiedPage&) = delete;
    CopiedPage& operator=(const CopiedPage&) = delete;

    // As those of GrantedPage.
    [[nodiscard]] GrantStatus status() const { return status_; }
    [[nodiscard]] std::byte* data() const { return machine::frame_as<std::byte>(use_.frame); }

  private:
    [[nodiscard]] GrantStatus take() const {
        if (use_.status != GrantStatus::okay) [[unlikely]]
            return use_.status;
        Frame* const found = frame_table().find(use_.frame);
        if (found == nullptr || found->shared) [[unlikely]]
            return GrantStatus::bad_page;
        const auto taken = get_data(*found, guest_, writes_); // fails unless it is the guest's
        return taken ? GrantStatus::okay : status_of(taken.error(), GrantStatus::bad_page);
    }

    Domain& guest_;
    GrantRef ref_;
    bool writes_;
    PassingUse use_;
    GrantStatus status_;
};

} // namespace bulkhead::hv
