// Samples which pages of each domain are in use, for the memory policy: looks at the pages that are watched,
// and has others watched. Works in steps within the section's budget. All of it is called with the control
// lock held, and without that of the memory policy.
#pragma once

#include "hv/domain/domain.hpp"

namespace bulkhead::hv::page_sampler {

// From now on `pages` of each domain are watched, at most most_watches; none for 0.
void start(std::uint32_t pages, std::uint64_t seed);
[[nodiscard]] bool is_on();

// A new domain is sampled from its first period on. Without memory for that it is not.
void admit(Domain& domain);
void depart(Domain& domain);

// A step of looking at all domains; `report` hears of each once. True once all have been looked at.
[[nodiscard]] bool look(void (*report)(Domain& domain, const PagesSeen& seen));
// A step of drawing other pages, for the domains that have run enough since their last draw. True at the end.
[[nodiscard]] bool draw();

} // namespace bulkhead::hv::page_sampler
