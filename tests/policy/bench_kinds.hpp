// What memory and ring policies cost with 10 to 1,000 domains: the plug-ins' own code on this computer,
// behind the least host that lets them work. Part of bench_sched; built on request, never by the tests.
#pragma once

namespace bulkhead::policy_test {

void add_kind_benchmarks();

} // namespace bulkhead::policy_test
