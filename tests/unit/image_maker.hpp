// Makes ELF files for the tests of image/: a good kernel by default, and each part can be spoilt.
#pragma once

#include "image/bytes.hpp"

#include <cstdint>
#include <cstring>
#include <elf.h>
#include <string>
#include <string_view>
#include <vector>

namespace bulkhead::test {

class ImageMaker {
  public:
    ImageMaker() {
        std::memcpy(header.e_ident, ELFMAG, SELFMAG);
        header.e_ident[EI_CLASS] = ELFCLASS64;
        header.e_ident[EI_DATA] = ELFDATA2LSB;
        header.e_ident[EI_VERSION] = EV_CURRENT;
        header.e_type = ET_EXEC;
        header.e_machine = EM_X86_64;
        header.e_ehsize = sizeof(Elf64_Ehdr);
        header.e_phentsize = sizeof(Elf64_Phdr);
        header.e_shentsize = sizeof(Elf64_Shdr);
    }

    Elf64_Ehdr header{};

    void note(std::uint32_t type, std::string_view value, std::string_view owner = {"Xen\0", 4}) {
        Elf64_Nhdr head{static_cast<std::uint32_t>(owner.size()), static_cast<std::uint32_t>(value.size()),
                        type};
        append(notes_, &head, sizeof head);
        append_padded(notes_, owner);
        append_padded(notes_, value);
    }
    void note_number(std::uint32_t type, std::uint64_t value) {
        note(type, {reinterpret_cast<const char*>(&value), sizeof value});
    }
    void note_text(std::uint32_t type, std::string value) {
        value.push_back('\0');
        note(type, value);
    }

    // A PT_LOAD with these bytes and, behind them, zeros up to `memory`.
    void load(std::uint64_t paddr, std::string_view bytes, std::uint64_t memory) {
        loads_.push_back({paddr, std::string{bytes}, memory});
    }
    void section(std::string_view name, std::string_view bytes, std::uint32_t type = SHT_PROGBITS) {
        sections_.push_back({std::string{name}, std::string{bytes}, type});
    }

    // Puts the notes into a section instead of a segment.
    bool notes_in_section = false;

    [[nodiscard]] std::vector<std::byte> make() {
        std::string body(sizeof header, '\0');
        std::vector<Elf64_Phdr> segments;
        for (const auto& load : loads_)
            segments.push_back(place_load(body, load));
        if (!notes_.empty() && !notes_in_section)
            segments.push_back(place_notes(body));
        if (!notes_.empty() && notes_in_section)
            section(".notes", notes_, SHT_NOTE);
        place_tables(body, segments);
        std::vector<std::byte> file(body.size());
        std::memcpy(file.data(), body.data(), body.size());
        return file;
    }

  private:
    struct Load {
        std::uint64_t paddr;
        std::string bytes;
        std::uint64_t memory;
    };
    struct Section {
        std::string name, bytes;
        std::uint32_t type;
    };

    static void append(std::string& to, const void* data, std::size_t bytes) {
        to.append(static_cast<const char*>(data), bytes);
    }
    static void append_padded(std::string& to, std::string_view bytes) {
        to.append(bytes);
        to.resize((to.size() + 3) / 4 * 4);
    }
    static Elf64_Phdr place_load(std::string& body, const Load& load) {
        Elf64_Phdr segment{};
        segment.p_type = PT_LOAD;
        segment.p_offset = body.size();
        segment.p_paddr = load.paddr;
        segment.p_filesz = load.bytes.size();
        segment.p_memsz = load.memory;
        body += load.bytes;
        return segment;
    }
    Elf64_Phdr place_notes(std::string& body) const {
        Elf64_Phdr segment{};
        segment.p_type = PT_NOTE;
        segment.p_offset = body.size();
        segment.p_filesz = notes_.size();
        body += notes_;
        return segment;
    }
    void place_tables(std::string& body, const std::vector<Elf64_Phdr>& segments) {
        std::string names(1, '\0');
        std::vector<Elf64_Shdr> headers(1);
        sections_.push_back({".shstrtab", "", SHT_STRTAB});
        for (const auto& section : sections_) {
            Elf64_Shdr entry{};
            entry.sh_name = static_cast<std::uint32_t>(names.size());
            entry.sh_type = section.type;
            names += section.name + '\0';
            const bool is_names = section.type == SHT_STRTAB;
            entry.sh_offset = body.size();
            entry.sh_size = is_names ? names.size() : section.bytes.size();
            body += is_names ? names : section.bytes;
            headers.push_back(entry);
        }
        sections_.pop_back();
        header.e_phnum = static_cast<std::uint16_t>(segments.size());
        header.e_phoff = body.size();
        append(body, segments.data(), segments.size() * sizeof(Elf64_Phdr));
        header.e_shnum = static_cast<std::uint16_t>(headers.size());
        header.e_shstrndx = static_cast<std::uint16_t>(headers.size() - 1);
        header.e_shoff = body.size();
        append(body, headers.data(), headers.size() * sizeof(Elf64_Shdr));
        std::memcpy(body.data(), &header, sizeof header);
    }

    std::string notes_;
    std::vector<Load> loads_;
    std::vector<Section> sections_;
};

// A whole file of this machine; empty if it is not there.
std::vector<std::byte> read_file(const char* path);
inline constexpr const char* grub_path = "/usr/lib/grub-xen/grub-x86_64-xen.bin";

} // namespace bulkhead::test
