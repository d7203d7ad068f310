// The one list of policies' files that are refused, each made from a good file by a small change, with the
// reason that every host must give. Tests hand the list to the reader, the simulator, Python, the build's
// check and the hypervisor.
#pragma once

#include "plugin/file.hpp"

#include <cstring>
#include <elf.h>
#include <filesystem>
#include <string>
#include <vector>

namespace bulkhead::test {

using FileBytes = std::vector<std::byte>;

[[nodiscard]] FileBytes
bytes_of(const std::filesystem::path& path); // std::runtime_error if it cannot be read

// One good file of each kind. The scheduler must have two parameters or more.
struct GoodFiles {
    FileBytes scheduler, memory, ring;
};

struct BadFile {
    std::string name;
    plugin::Reason reason;
    plugin::Kind wanted;
    FileBytes bytes;
};

[[nodiscard]] std::vector<BadFile> bad_files(const GoodFiles& good);

// A good file that is being spoilt. The linker's script puts every byte of the image at the offset of its
// address, which the constructor checks; so an address is an offset here.
class Spoiler {
  public:
    explicit Spoiler(FileBytes good);
    [[nodiscard]] FileBytes& bytes() { return bytes_; }
    template<class T>
    [[nodiscard]] T& at(std::uint64_t offset) {
        return reinterpret_cast<T&>(bytes_.at(offset));
    }
    [[nodiscard]] Elf64_Ehdr& header() { return at<Elf64_Ehdr>(0); }
    // Constants, code, relocated constants, dynamic section, stack.
    [[nodiscard]] Elf64_Phdr& segment(std::size_t index) {
        return at<Elf64_Phdr>(header().e_phoff + index * sizeof(Elf64_Phdr));
    }
    [[nodiscard]] Elf64_Shdr& section(const std::string& name);
    [[nodiscard]] Elf64_Dyn& dynamic(std::int64_t tag);
    [[nodiscard]] std::uint64_t value(std::int64_t tag) { return dynamic(tag).d_un.d_val; }
    [[nodiscard]] Elf64_Sym& symbol() { return at<Elf64_Sym>(value(DT_SYMTAB) + sizeof(Elf64_Sym)); }
    [[nodiscard]] std::size_t relocations() { return value(DT_RELASZ) / sizeof(Elf64_Rela); }
    [[nodiscard]] Elf64_Rela& relocation(std::size_t index) {
        return at<Elf64_Rela>(value(DT_RELA) + index * sizeof(Elf64_Rela));
    }
    // The relocation that makes the pointer at `address`, and where it leads.
    [[nodiscard]] std::size_t relocation_of(std::uint64_t address);
    [[nodiscard]] Elf64_Sxword& pointer(std::uint64_t address) {
        return relocation(relocation_of(address)).r_addend;
    }
    [[nodiscard]] std::uint64_t follow(std::uint64_t address) {
        return static_cast<std::uint64_t>(pointer(address));
    }
    [[nodiscard]] std::uint64_t field(std::uint64_t offset) { return symbol().st_value + offset; }
    [[nodiscard]] plugin::Descriptor& descriptor() { return at<plugin::Descriptor>(field(0)); }
    [[nodiscard]] std::uint64_t hooks() { return follow(field(offsetof(plugin::Descriptor, hooks))); }
    [[nodiscard]] std::uint64_t parameter(std::size_t index) {
        return follow(field(offsetof(plugin::Descriptor, parameters))) + index * sizeof(plugin::Parameter);
    }

  private:
    FileBytes bytes_;
};

// A way to spoil a good file.
struct Way {
    const char* name;
    plugin::Reason reason;
    void (*spoil)(Spoiler& file);
};
[[nodiscard]] std::vector<Way> ways_of_objects();     // ELF structures
[[nodiscard]] std::vector<Way> ways_of_descriptors(); // what the file says about the policy, a scheduler

} // namespace bulkhead::test
