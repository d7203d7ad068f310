// Typed access to the current guest's virtual memory. A GuestPtr is only a number: read() copies once into
// the hypervisor, and what was copied is what is checked and used.
#pragma once

#include "abi/types.hpp"
#include "hv/base/error.hpp"
#include "hv/base/machine.hpp"

#include <type_traits>

namespace bulkhead::hv {

template<class T>
class GuestPtr {
    static_assert(std::is_trivially_copyable_v<T>);

  public:
    constexpr GuestPtr() = default;
    constexpr explicit GuestPtr(std::uint64_t address) : address_{address} {}
    [[nodiscard]] constexpr GuestAddress address() const { return GuestAddress{address_}; }
    [[nodiscard]] constexpr bool is_null() const { return address_ == 0; }
    // Element arithmetic wraps; the machine refuses addresses of the hypervisor's range.
    [[nodiscard]] constexpr GuestPtr operator+(std::uint64_t index) const {
        return GuestPtr{address_ + index * sizeof(T)};
    }

    [[nodiscard]] Result<T> read() const {
        std::remove_const_t<T> value;
        if (!machine::copy_from_guest(&value, address(), sizeof value))
            return fail(Error::bad_address);
        return value;
    }
    // For hot paths: the value goes where it is used, and is undefined after a failure.
    [[nodiscard]] bool read_to(std::remove_const_t<T>& value) const {
        return machine::copy_from_guest(&value, address(), sizeof value);
    }
    [[nodiscard]] Result<> write(const T& value) const {
        if (!machine::copy_to_guest(address(), &value, sizeof value))
            return fail(Error::bad_address);
        return {};
    }

  private:
    std::uint64_t address_{};
};

} // namespace bulkhead::hv
