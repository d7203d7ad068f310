// A global that has a constructor or a destructor to run. The start-up code does not run constructors (the
// linker script refuses them), so the global's owner makes it at start-up, before its first use.
#pragma once

#include <cstddef>
#include <new>

namespace bulkhead::hv {

template<class T>
class Late {
  public:
    template<class... Arguments>
    T& make(Arguments&&... arguments) {
        return *::new (bytes_) T{static_cast<Arguments&&>(arguments)...};
    }
    T& operator*() { return *std::launder(reinterpret_cast<T*>(bytes_)); }
    T* operator->() { return &**this; }

  private:
    alignas(T) std::byte bytes_[sizeof(T)]{};
};

} // namespace bulkhead::hv
