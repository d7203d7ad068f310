// See connection.hpp.
#include "guest/dom0/xenstore/connection.hpp"

#include <algorithm>
#include <cstring>

namespace bulkhead::xenstore {

void OutputQueue::append(std::string_view bytes) {
    const std::size_t at = (first_ + used_) % bytes_.size();
    const std::size_t straight = std::min(bytes.size(), bytes_.size() - at);
    std::memcpy(bytes_.data() + at, bytes.data(), straight);
    std::memcpy(bytes_.data(), bytes.data() + straight, bytes.size() - straight);
    used_ += bytes.size();
}

std::size_t OutputQueue::take(std::span<char> out) {
    const std::size_t count = std::min(out.size(), used_);
    const std::size_t straight = std::min(count, bytes_.size() - first_);
    std::memcpy(out.data(), bytes_.data() + first_, straight);
    std::memcpy(out.data() + straight, bytes_.data(), count - straight);
    first_ = (first_ + count) % bytes_.size();
    used_ -= count;
    return count;
}

} // namespace bulkhead::xenstore
