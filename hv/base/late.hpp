// A global that has a constructor or a destructor to run: nobody runs those here (the linker script refuses
// them), so its owner makes it at start-up, before anybody else looks.
#pragma once

#include <cstddef>
#include <new>

namespace bulkhead::hv {

template<class T>
class Late {
  public:
    T& make() { return *::new (bytes_) T{}; }
    T& operator*() { return *std::launder(reinterpret_cast<T*>(bytes_)); }
    T* operator->() { return &**this; }

  private:
    alignas(T) std::byte bytes_[sizeof(T)]{};
};

} // namespace bulkhead::hv
