// The landmark's report on a policy: its name and effective parameters, and the reason of its ejection. One
// form for all kinds, written by their hosts alone.
#pragma once

#include "abi/landmark.hpp"
#include "abi/plugin.hpp"

#include <algorithm>
#include <iterator>

namespace bulkhead::host {

// Names the policy that runs. A policy that was ejected stays named: then this is not called.
inline void describe(landmark::PolicyReport& report, const plugin::Descriptor& descriptor,
                     const std::int64_t* values) {
    landmark::copy_text(report.name, descriptor.name);
    report.kind = static_cast<std::uint32_t>(descriptor.kind);
    report.parameter_count =
        std::min(descriptor.parameter_count, static_cast<std::uint32_t>(plugin::max_parameters));
    std::copy_n(values, report.parameter_count, report.parameters);
}

// A hook was called and took so long.
[[gnu::always_inline]] inline void count_hook(landmark::PolicyReport& report, Nanos took) {
    ++report.hook_calls;
    report.hook_ns += took.count();
    if (took.count() > report.hook_max_ns) [[unlikely]]
        report.hook_max_ns = took.count();
}

// The reason in a sentence: "policy 'x' was removed for ...".
constexpr const char* reason(plugin::Fault fault) {
    switch (fault) {
    case plugin::Fault::wrong_answer:
        return "a wrong answer";
    case plugin::Fault::trapped:
        return "a processor exception";
    case plugin::Fault::over_budget:
        return "running over its time";
    case plugin::Fault::starvation:
        return "starvation";
    case plugin::Fault::no_memory:
        return "using up its memory";
    case plugin::Fault::none:
        break;
    }
    return "nothing";
}

} // namespace bulkhead::host
