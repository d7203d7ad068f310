// The list of places comes from the program's own text: each `call` of 5 bytes with an allocator as its
// target. The hypervisor's sources are compiled with frame pointers and without tail calls (whole.cmake).
#include "tests/fuzz/allocation_sites.hpp"

#include "tests/fuzz/allocations.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <link.h>
#include <map>
#include <set>
#include <span>
#include <unistd.h>
#include <vector>

// The frame table's allocators, which the linker replaces (allocations.cmake), and what calls them for
// others. Here they are addresses.
#define BULKHEAD_ADDRESS(name, symbol) extern "C" const char name[] asm(symbol)
#define BULKHEAD_TABLE "_ZN8bulkhead2hv10FrameTable"
BULKHEAD_ADDRESS(site_allocate, "__wrap_" BULKHEAD_TABLE "8allocateERNS0_6DomainEm");
BULKHEAD_ADDRESS(site_run, "__wrap_" BULKHEAD_TABLE "12allocate_runERNS0_6DomainEjm");
BULKHEAD_ADDRESS(site_metadata, "__wrap_" BULKHEAD_TABLE "17allocate_metadataERNS0_12DomainMemoryE");
BULKHEAD_ADDRESS(site_exchange, "__wrap_" BULKHEAD_TABLE "8exchangeENS_6StrongINS_6MfnTagEmEERNS0_6DomainE");
BULKHEAD_ADDRESS(site_hypervisor, "__wrap_" BULKHEAD_TABLE "23allocate_for_hypervisorEv");
BULKHEAD_ADDRESS(site_promise, "__wrap_" BULKHEAD_TABLE "7promiseERNS0_12DomainMemoryEmm");
BULKHEAD_ADDRESS(site_contiguous, "__wrap_" BULKHEAD_TABLE "19allocate_contiguousEm");
BULKHEAD_ADDRESS(site_of_domain, "_ZN8bulkhead2hv6Domain17allocate_metadataEv");
BULKHEAD_ADDRESS(site_policy, "_ZN8bulkhead2hv13policy_memory9back_pageEm");
BULKHEAD_ADDRESS(site_tables, "_ZN8bulkhead2hv18reserve_hypervisorEmm");

namespace bulkhead::hv::test {

namespace {

constexpr std::size_t depth = 8;
using Path = std::array<std::uint64_t, depth>; // return addresses, the innermost first
std::map<Path, bool> paths;                    // whether an allocation failed there

[[gnu::noinline, clang::no_sanitize("address")]] void note(bool fails) {
    Path path{};
    const auto* frame = static_cast<const std::uint64_t*>(__builtin_frame_address(0));
    for (auto& each : path) {
        each = frame[1];
        const auto* const next = reinterpret_cast<const std::uint64_t*>(frame[0]);
        if (next <= frame || next > frame + 8192) // the outermost one
            break;
        frame = next;
    }
    paths[path] |= fails;
}

struct Program {
    std::uint64_t base = 0;
    std::vector<std::span<const std::uint8_t>> text;
};

const Program& program() {
    static const Program found = [] {
        Program made;
        ::dl_iterate_phdr(
            [](dl_phdr_info* info, std::size_t, void* to) {
                auto& it = *static_cast<Program*>(to);
                it.base = info->dlpi_addr;
                for (const auto& part : std::span{info->dlpi_phdr, info->dlpi_phnum})
                    if (part.p_type == PT_LOAD && (part.p_flags & PF_X) != 0)
                        it.text.emplace_back(reinterpret_cast<const std::uint8_t*>(it.base + part.p_vaddr),
                                             part.p_memsz);
                return 1; // the first is the program itself
            },
            &made);
        return made;
    }();
    return found;
}

// Return addresses of all calls of allocators.
[[clang::no_sanitize("address")]] std::vector<std::uint64_t> all_sites() {
    constexpr std::uint8_t call = 0xe8;
    const std::array targets{site_allocate, site_run,        site_metadata,  site_exchange, site_hypervisor,
                             site_promise,  site_contiguous, site_of_domain, site_policy,   site_tables};
    std::vector<std::uint64_t> found;
    for (const auto& text : program().text)
        for (std::size_t i = 0; i + 5 <= text.size(); ++i) {
            if (text[i] != call)
                continue;
            std::int32_t distance = 0;
            std::memcpy(&distance, &text[i + 1], sizeof distance);
            const auto back = reinterpret_cast<std::uint64_t>(&text[i]) + 5;
            const auto* const target =
                reinterpret_cast<const char*>(back + static_cast<std::uint64_t>(std::int64_t{distance}));
            if (std::ranges::find(targets, target) != targets.end())
                found.push_back(back);
        }
    return found;
}

struct Place {
    std::string function, line;
    auto operator<=>(const Place&) const = default;
};

// What `addr2line` says of return addresses.
std::vector<Place> places_of(std::span<const std::uint64_t> addresses) {
    std::array<char, 4096> self{};
    if (::readlink("/proc/self/exe", self.data(), self.size() - 1) < 0)
        return std::vector<Place>(addresses.size());
    std::string command = "addr2line -f -C -s -e '" + std::string{self.data()} + '\'';
    for (const auto each : addresses) {
        std::array<char, 32> text{};
        std::snprintf(text.data(), text.size(), " %llx",
                      static_cast<unsigned long long>(each == 0 ? 0 : each - 1 - program().base));
        command += text.data();
    }
    auto* const pipe = ::popen(command.c_str(), "r");
    std::vector<Place> places;
    std::array<char, 4096> line{};
    const auto next = [&] {
        std::string text = std::fgets(line.data(), line.size(), pipe) != nullptr ? line.data() : "?";
        return text.substr(0, text.find('\n'));
    };
    for (std::size_t i = 0; pipe != nullptr && i < addresses.size(); ++i) {
        auto function = next();
        places.push_back({std::move(function), next()});
    }
    if (pipe != nullptr)
        ::pclose(pipe);
    places.resize(addresses.size());
    return places;
}

std::string text_of(const Place& place) { return place.line + "  " + place.function; }

} // namespace

void watch_allocation_sites(bool on) { on_allocation = on ? note : nullptr; }

void note_that_all_failed() {
    for (auto& [path, failed] : paths)
        failed = true;
}

std::string left_out_sites(const Excused* excused, std::size_t count) {
    std::set<std::uint64_t> forced;
    for (const auto& [path, failed] : paths) {
        if (failed)
            forced.insert(path.begin(), path.end());
    }
    std::string problem;
    for (const auto& [path, failed] : paths)
        if (!failed) {
            problem += "an allocation never failed on this path:\n";
            for (const auto& place : places_of(path))
                problem += "    " + text_of(place) + '\n';
        }
    const auto addresses = all_sites();
    const auto places = places_of(addresses);
    std::map<Place, bool> sites; // a place that is inlined in several is one
    for (std::size_t i = 0; i < addresses.size(); ++i)
        sites[places[i]] |= forced.contains(addresses[i]);
    for (const auto& [place, failed] : sites) {
        const auto* const excuse = std::find_if(excused, excused + count, [&](const Excused& each) {
            return place.function.find(each.function) != std::string::npos;
        });
        const bool is_excused = excuse != excused + count;
        std::printf("%-28s %s: %s\n", place.line.c_str(), place.function.c_str(),
                    failed       ? "failed"
                    : is_excused ? excuse->why
                                 : "NEVER FAILED");
        if (failed == is_excused)
            problem +=
                text_of(place) + (failed ? ": excused, but it failed\n" : ": no allocation failed here\n");
    }
    std::printf("%zu places, %zu paths\n", sites.size(), paths.size());
    return sites.empty() ? "no place allocates: the calls were not recognised" : problem;
}

} // namespace bulkhead::hv::test
