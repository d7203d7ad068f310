// A ticket lock: fair among pCPUs. The hypervisor runs with interrupts off, so there is no irq-saving
// variant.
#pragma once

#include <atomic>
#include <cstdint>

namespace bulkhead::hv {

class Lock {
  public:
    void lock() {
        const auto ticket = next_.fetch_add(1, std::memory_order_relaxed);
        while (serving_.load(std::memory_order_acquire) != ticket)
            __builtin_ia32_pause();
    }
    void unlock() {
        serving_.store(static_cast<std::uint16_t>(serving_.load(std::memory_order_relaxed) + 1),
                       std::memory_order_release);
    }

  private:
    std::atomic<std::uint16_t> next_{0};
    std::atomic<std::uint16_t> serving_{0};
};

class LockGuard {
  public:
    explicit LockGuard(Lock& lock) : lock_{lock} { lock_.lock(); }
    ~LockGuard() { lock_.unlock(); }
    LockGuard(const LockGuard&) = delete;
    LockGuard& operator=(const LockGuard&) = delete;

  private:
    Lock& lock_;
};

} // namespace bulkhead::hv
