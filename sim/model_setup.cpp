// How a model reads its options; also part of each model that is built outside of this repository.
#include "sim/model.hpp"

#include <charconv>
#include <stdexcept>

namespace bulkhead::sim {

std::string_view ModelSetup::text(std::string_view name) const {
    const auto found = options_->find(name);
    if (found == options_->end())
        throw std::invalid_argument{"option " + std::string{name} + " is missing"};
    return found->second;
}

std::int64_t ModelSetup::number(std::string_view name) const {
    const std::string_view value = text(name);
    std::int64_t result = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), result);
    if (error != std::errc{} || end != value.data() + value.size() || result < 0)
        throw std::invalid_argument{"option " + std::string{name} + "=" + std::string{value} +
                                    ": write a whole number from 0 up"};
    return result;
}

std::int64_t ModelSetup::number_or(std::string_view name, std::int64_t other) const {
    return options_->contains(name) ? number(name) : other;
}

RealTime ModelSetup::ends(RealTime began) const {
    const std::int64_t length = number_or("for_ms", 0);
    return length == 0 ? RealTime::never() : began + milliseconds(length);
}

} // namespace bulkhead::sim
