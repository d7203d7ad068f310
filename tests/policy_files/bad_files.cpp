#include "tests/policy_files/bad_files.hpp"

#include "ringctl/contract.hpp"

#include <fstream>
#include <iterator>
#include <stdexcept>

namespace bulkhead::test {

using plugin::Kind;
using plugin::Reason;

FileBytes bytes_of(const std::filesystem::path& path) {
    std::ifstream in{path, std::ios::binary};
    const std::vector<char> read{std::istreambuf_iterator<char>{in}, {}};
    if (!in.is_open() || in.bad())
        throw std::runtime_error{path.string() + " cannot be read"};
    const auto bytes = std::as_bytes(std::span{read});
    return {bytes.begin(), bytes.end()};
}

Spoiler::Spoiler(FileBytes good) : bytes_{std::move(good)} {
    for (std::size_t i = 0; i < 4; ++i)
        if (segment(i).p_offset != segment(i).p_vaddr)
            throw std::runtime_error{"a segment of the good policy is not at the offset of its address"};
}

Elf64_Shdr& Spoiler::section(const std::string& name) {
    const auto sections = header().e_shoff;
    const auto names = at<Elf64_Shdr>(sections + header().e_shstrndx * sizeof(Elf64_Shdr)).sh_offset;
    for (std::size_t i = 0; i < header().e_shnum; ++i) {
        auto& one = at<Elf64_Shdr>(sections + i * sizeof(Elf64_Shdr));
        if (name == &at<char>(names + one.sh_name))
            return one;
    }
    throw std::runtime_error{"the good policy has no section " + name};
}

Elf64_Dyn& Spoiler::dynamic(std::int64_t tag) {
    for (auto at_entry = segment(3).p_offset;; at_entry += sizeof(Elf64_Dyn)) {
        auto& entry = at<Elf64_Dyn>(at_entry);
        if (entry.d_tag == tag)
            return entry;
        if (entry.d_tag == DT_NULL)
            throw std::runtime_error{"the good policy has no dynamic entry " + std::to_string(tag)};
    }
}

std::size_t Spoiler::relocation_of(std::uint64_t address) {
    for (std::size_t i = 0; i < relocations(); ++i)
        if (relocation(i).r_offset == address)
            return i;
    throw std::runtime_error{"the good policy has no pointer at " + std::to_string(address)};
}

std::vector<BadFile> bad_files(const GoodFiles& good) {
    std::vector<BadFile> made;
    const auto add = [&made](const char* name, Reason reason, Kind wanted, Spoiler file) {
        made.push_back({name, reason, wanted, std::move(file.bytes())});
    };
    for (const auto& ways : {ways_of_objects(), ways_of_descriptors()})
        for (const Way& way : ways) {
            Spoiler file{good.scheduler};
            way.spoil(file);
            add(way.name, way.reason, Kind::scheduler, std::move(file));
        }
    add("memory_policy_as_scheduler", Reason::wrong_kind, Kind::scheduler, Spoiler{good.memory});
    add("ring_policy_as_memory_policy", Reason::wrong_kind, Kind::memory, Spoiler{good.ring});
    Spoiler memory{good.memory};
    memory.descriptor().vcpu_bytes = 8;
    add("memory_policy_with_vcpus", Reason::object_size, Kind::memory, memory);
    Spoiler ring{good.ring};
    ring.at<ringctl::Hooks>(ring.hooks()).ring_bytes = 0;
    add("ring_type_without_bytes", Reason::object_size, Kind::ring, ring);
    Spoiler unhooked{good.ring};
    unhooked.pointer(unhooked.hooks() + offsetof(ringctl::Hooks, tune)) = 0;
    add("ring_hook_outside_the_code", Reason::hook_place, Kind::ring, unhooked);
    return made;
}

} // namespace bulkhead::test
