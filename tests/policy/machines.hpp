// Short ways to say which guests a test's machine has.
#pragma once

#include "tests/policy/machine.hpp"
#include "tests/policy/print.hpp"

namespace bulkhead::policy_test {

inline constexpr Nanos tick = milliseconds(10); // of credit_sampled, and of the guests that dodge it

template<class B, class... Arguments>
std::vector<std::unique_ptr<Behaviour>> one(Arguments... arguments) {
    std::vector<std::unique_ptr<Behaviour>> behaviours;
    behaviours.push_back(std::make_unique<B>(arguments...));
    return behaviours;
}

inline std::vector<std::unique_ptr<Behaviour>> hogs(int count) {
    std::vector<std::unique_ptr<Behaviour>> behaviours;
    for (int i = 0; i < count; ++i)
        behaviours.push_back(std::make_unique<Hog>());
    return behaviours;
}

inline std::vector<std::unique_ptr<Behaviour>> dodger() {
    return one<TickDodger>(tick, microseconds(150), microseconds(50));
}

// What a real host does: timers are late, switches cost something.
inline MachineOptions realistic(std::uint32_t pcpus = 1) {
    return {.pcpus = pcpus,
            .seed = 7,
            .parameters = {},
            .timer_error = microseconds(4),
            .switch_cost = microseconds(2)};
}

// The smallest value that at least `part` of the values do not exceed.
inline Nanos percentile(std::vector<Nanos> values, double part) {
    if (values.empty())
        throw std::invalid_argument{"a percentile of nothing"};
    std::ranges::sort(values);
    const auto index = static_cast<std::size_t>(part * static_cast<double>(values.size()));
    return values[std::min(index, values.size() - 1)];
}

} // namespace bulkhead::policy_test
