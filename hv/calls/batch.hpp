// The continuation of batched hypercalls, as the ABI has it: what is done moves the pointer and lowers the
// count, and the number done so far is summed up in the guest's own counter.
#pragma once

#include "hv/calls/hypercall.hpp"

namespace bulkhead::hv {

class Batch {
  public:
    static constexpr std::uint32_t continued =
        0x80000000; // in `count`: this is the rest of an interrupted call
    static constexpr std::uint32_t between_checks = 8;

    Batch(std::uint32_t count, GuestPtr<std::uint32_t> done) : left_{count & ~continued}, done_{done} {
        if ((count & continued) != 0 && !done.is_null())
            before_ = done.read().value_or(0);
    }

    [[nodiscard]] bool finished() const { return now_ == left_; }
    [[nodiscard]] std::uint32_t index() const { return now_; }
    void advance() { ++now_; }
    [[nodiscard]] bool should_stop() const {
        return now_ % between_checks == 0 && now_ != 0 && !finished() && machine::should_preempt();
    }

    // Leaves the arguments such that the call goes on with the first request that isn't done.
    [[nodiscard]] HypercallResult restart(HypercallArguments& arguments, std::size_t request_bytes) {
        BULKHEAD_TRY(report());
        arguments[0] += now_ * request_bytes;
        arguments[1] = (left_ - now_) | continued;
        return fail(Error::restart);
    }

    // The call is over: 0, or why it ended early.
    [[nodiscard]] HypercallResult finish(Result<> outcome) {
        BULKHEAD_TRY(report());
        BULKHEAD_TRY(outcome);
        return 0;
    }

  private:
    Result<> report() { return done_.is_null() ? Result<>{} : done_.write(before_ + now_); }

    std::uint32_t left_;
    std::uint32_t now_ = 0;
    std::uint32_t before_ = 0;
    GuestPtr<std::uint32_t> done_;
};

} // namespace bulkhead::hv
