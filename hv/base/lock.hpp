// Locks between pCPUs. Ticket order makes them fair: a pCPU waits for at most one holding of each other pCPU,
// whatever runs there. The hypervisor runs with interrupts off, so an irq-saving variant is not needed. The
// holders of each lock and the lock order are in docs/decisions/0007-locks.md.
#pragma once

#include "hv/base/lock_order.hpp"
#include "hv/base/machine.hpp"

#include <atomic>
#include <cstdint>

namespace bulkhead::hv {

template<Rank rank>
class Lock {
  public:
    constexpr Lock() = default;
    void lock() {
        lock_order::enter(rank);
        wait();
        lock_order::taken(rank);
    }
    // The lock of a second domain, whose id is greater.
    void lock_second() {
        lock_order::enter_second(rank);
        wait();
        lock_order::taken(rank);
    }
    void unlock() {
        serving_.store(static_cast<std::uint16_t>(serving_.load(std::memory_order_relaxed) + 1),
                       std::memory_order_release);
        lock_order::leave(rank);
    }

  private:
    void wait() {
        const auto ticket = next_.fetch_add(1, std::memory_order_relaxed);
        while (serving_.load(std::memory_order_acquire) != ticket) [[unlikely]]
            // The end of a run takes the control lock for good: a pCPU that waits for it holds no other.
            rank == Rank::control ? machine::wait_at_rest() : machine::wait_a_little();
    }

    std::atomic<std::uint16_t> next_{0};
    std::atomic<std::uint16_t> serving_{0};
};

// A lock that the pCPU which holds it may take again.
template<Rank rank>
class NestedLock {
  public:
    constexpr NestedLock() = default;
    void lock() {
        const auto self = static_cast<std::uint32_t>(machine::this_pcpu().value()) + 1;
        if (owner_.load(std::memory_order_relaxed) != self) {
            lock_.lock();
            owner_.store(self, std::memory_order_relaxed);
        }
        ++depth_;
    }
    void unlock() {
        if (--depth_ != 0)
            return;
        owner_.store(0, std::memory_order_relaxed);
        lock_.unlock();
    }
    [[nodiscard]] bool is_mine() const {
        return owner_.load(std::memory_order_relaxed) ==
               static_cast<std::uint32_t>(machine::this_pcpu().value()) + 1;
    }

  private:
    Lock<rank> lock_;
    std::atomic<std::uint32_t> owner_{0}; // pCPU + 1; only the holder can find itself here
    std::uint32_t depth_ = 0;             // the holder's
};

template<class AnyLock>
class LockGuard {
  public:
    explicit LockGuard(AnyLock& lock) : lock_{lock} { lock_.lock(); }
    ~LockGuard() { lock_.unlock(); }
    LockGuard(const LockGuard&) = delete;
    LockGuard& operator=(const LockGuard&) = delete;

  private:
    AnyLock& lock_;
};

} // namespace bulkhead::hv
