// Makes boot manifests for tests, the way the Python side does: header, tables, then blobs.
#pragma once

#include "abi/manifest.hpp"

#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace bulkhead::test {

class ManifestMaker {
  public:
    ManifestMaker() {
        header.magic = manifest::magic;
        header.version = manifest::version;
        header.header_bytes = sizeof header;
    }

    manifest::Header header{};
    std::vector<manifest::Guest> guests;
    std::vector<manifest::TimelineEntry> timeline;
    std::vector<manifest::Placement> placements;

    manifest::Guest& guest(std::string_view name) {
        manifest::Guest guest{};
        name.copy(guest.name, sizeof guest.name);
        guest.memory_bytes = guest.max_memory_bytes = 64 << 20;
        guest.vcpus = 1;
        guest.weight = 256;
        guests.push_back(guest);
        return guests.back();
    }
    void at(std::int64_t time, manifest::Action action, std::uint32_t target = 0) {
        timeline.push_back({.at = time, .action = action, .target = target, .argument = 0});
    }

    // Lays the tables out behind the header, fills the header's fields and returns the whole.
    std::span<const std::byte> make() {
        header.guests = sizeof header;
        header.guest_count = static_cast<std::uint32_t>(guests.size());
        header.timeline = header.guests + guests.size() * sizeof(manifest::Guest);
        header.timeline_count = static_cast<std::uint32_t>(timeline.size());
        header.placements = header.timeline + timeline.size() * sizeof(manifest::TimelineEntry);
        header.placement_count = static_cast<std::uint32_t>(placements.size());
        header.total_bytes = header.placements + placements.size() * sizeof(manifest::Placement);
        return as_it_is();
    }
    // The same without correcting the header.
    std::span<const std::byte> as_it_is() {
        const auto tables = sizeof header + guests.size() * sizeof(manifest::Guest);
        const auto last = tables + timeline.size() * sizeof(manifest::TimelineEntry);
        const auto bytes = last + placements.size() * sizeof(manifest::Placement);
        words_.assign(bytes / sizeof(std::uint64_t), 0);
        auto* const out = reinterpret_cast<std::byte*>(words_.data());
        std::memcpy(out, &header, sizeof header);
        copy(out + sizeof header, guests);
        copy(out + tables, timeline);
        copy(out + last, placements);
        return {out, bytes};
    }

  private:
    template<class T>
    static void copy(std::byte* out, const std::vector<T>& from) {
        if (!from.empty())
            std::memcpy(out, from.data(), from.size() * sizeof(T));
    }

    std::vector<std::uint64_t> words_;
};

} // namespace bulkhead::test
