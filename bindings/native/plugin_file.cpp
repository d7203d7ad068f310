// Follows a plug-in's ELF structures as far as its descriptor. Never maps, links or executes the file.
#include "bindings/native/plugin_file.hpp"

#include "image/bytes.hpp"

#include <algorithm>
#include <elf.h>

namespace bulkhead::python {
namespace {

using image::Bytes;
using Failure = std::unexpected<std::string>;
template<class T>
using Result = std::expected<T, std::string>;

constexpr std::uint64_t largest_image = 16 << 20;
constexpr std::size_t longest_text = 4096;
constexpr unsigned most_symbols = 65536;

Result<Elf64_Ehdr> open(Bytes file) {
    const auto header = image::read<Elf64_Ehdr>(file, 0);
    if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
        return Failure{"it is not an ELF file"};
    if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_machine != EM_X86_64)
        return Failure{"it is not made for 64-bit x86"};
    if (header->e_type != ET_DYN)
        return Failure{"it is not a shared object"};
    if (header->e_phentsize != sizeof(Elf64_Phdr) || header->e_shentsize != sizeof(Elf64_Shdr))
        return Failure{"its ELF header is damaged"};
    return *header;
}

// The loadable segments at their addresses, base 0.
Result<std::vector<std::byte>> load(Bytes file, const Elf64_Ehdr& header) {
    std::vector<std::byte> memory;
    for (unsigned i = 0; i < header.e_phnum; ++i) {
        const auto segment = image::read<Elf64_Phdr>(file, header.e_phoff + i * sizeof(Elf64_Phdr));
        if (!segment)
            return Failure{"its program headers are cut short"};
        if (segment->p_type != PT_LOAD)
            continue;
        const auto contents = image::part(file, segment->p_offset, segment->p_filesz);
        if (!contents || segment->p_filesz > segment->p_memsz || segment->p_vaddr > largest_image ||
            segment->p_memsz > largest_image - segment->p_vaddr)
            return Failure{"it has a segment of impossible size or place"};
        memory.resize(std::max<std::size_t>(memory.size(), segment->p_vaddr + segment->p_memsz));
        std::ranges::copy(*contents, memory.begin() + static_cast<std::ptrdiff_t>(segment->p_vaddr));
    }
    return memory;
}

Result<void> relocate(std::vector<std::byte>& memory, Bytes table) {
    for (std::uint64_t at = 0; at + sizeof(Elf64_Rela) <= table.size(); at += sizeof(Elf64_Rela)) {
        const auto entry = *image::read<Elf64_Rela>(table, at);
        if (ELF64_R_TYPE(entry.r_info) != R_X86_64_RELATIVE)
            return Failure{"it needs relocations other than relative ones; link it as sched/README.md says"};
        if (entry.r_offset > memory.size() || memory.size() - entry.r_offset < sizeof entry.r_addend)
            return Failure{"it has a relocation outside of its segments"};
        std::memcpy(memory.data() + entry.r_offset, &entry.r_addend, sizeof entry.r_addend);
    }
    return {};
}

// Address of the descriptor. Undefined symbols are refused here because nothing in ring 0 could define them.
Result<std::uint64_t> find_descriptor(Bytes symbols, Bytes names) {
    std::uint64_t found = 0;
    const auto count = std::min<std::uint64_t>(symbols.size() / sizeof(Elf64_Sym), most_symbols);
    for (std::uint64_t i = 1; i < count; ++i) {
        const auto symbol = *image::read<Elf64_Sym>(symbols, i * sizeof(Elf64_Sym));
        const auto name =
            image::text_before_zero(names.subspan(std::min<std::size_t>(symbol.st_name, names.size())));
        if (symbol.st_shndx == SHN_UNDEF)
            return Failure{"it leaves the symbol '" + std::string{name} +
                           "' undefined; a policy may call nothing outside itself"};
        if (name == plugin::descriptor_symbol)
            found = symbol.st_value;
    }
    if (found == 0)
        return Failure{"it exports no '" + std::string{plugin::descriptor_symbol} +
                       "'; register the policy as sched/contract.hpp says"};
    return found;
}

struct Sections {
    Bytes symbols, names;
    std::vector<Bytes> relocations;
};

Result<Sections> find_sections(Bytes file, const Elf64_Ehdr& header) {
    Sections found;
    const auto section = [&](std::uint64_t i) {
        return image::read<Elf64_Shdr>(file, header.e_shoff + i * sizeof(Elf64_Shdr));
    };
    for (unsigned i = 0; i < header.e_shnum; ++i) {
        const auto one = section(i);
        if (!one)
            return Failure{"its section headers are cut short"};
        if (one->sh_type != SHT_DYNSYM && one->sh_type != SHT_RELA)
            continue;
        const auto contents = image::part(file, one->sh_offset, one->sh_size);
        if (!contents)
            return Failure{"it has a section that leaves the file"};
        if (one->sh_type == SHT_RELA && (one->sh_flags & SHF_ALLOC) != 0)
            found.relocations.push_back(*contents);
        if (one->sh_type != SHT_DYNSYM)
            continue;
        const auto strings = one->sh_link < header.e_shnum ? section(one->sh_link) : std::nullopt;
        const auto names = strings ? image::part(file, strings->sh_offset, strings->sh_size) : std::nullopt;
        if (!names)
            return Failure{"its symbol names are cut short"};
        found.symbols = *contents;
        found.names = *names;
    }
    return found;
}

class Reader {
  public:
    explicit Reader(Bytes memory) : memory_{memory} {}

    template<class T>
    [[nodiscard]] Result<T> at(std::uint64_t address) const {
        const auto value = image::read<T>(memory_, address);
        if (!value)
            return Failure{"its descriptor points outside of its segments"};
        return *value;
    }

    // Empty for a pointer that leads nowhere: texts are for people, and a missing one harms nobody.
    [[nodiscard]] std::string text(const char* pointer) const {
        const auto address = reinterpret_cast<std::uint64_t>(pointer);
        if (address == 0 || address >= memory_.size())
            return {};
        const auto rest = memory_.subspan(address, std::min(longest_text, memory_.size() - address));
        return std::string{image::text_before_zero(rest)};
    }

  private:
    Bytes memory_;
};

Result<plugin::Descriptor> read_descriptor(const Reader& reader, std::uint64_t address) {
    const auto magic = reader.at<std::uint64_t>(address);
    const auto version = reader.at<std::uint32_t>(address + offsetof(plugin::Descriptor, abi_version));
    if (!magic || *magic != plugin::magic)
        return Failure{"its descriptor does not start with the plug-in magic; rebuild it against this "
                       "checkout's headers "
                       "(./bulkhead build)"};
    if (!version || *version != plugin::abi_version)
        return Failure{"it is built for plug-in ABI version " + std::to_string(version.value_or(0)) +
                       ", this Bulkhead has version " + std::to_string(plugin::abi_version) +
                       "; rebuild it against this checkout's headers (./bulkhead build)"};
    auto descriptor = reader.at<plugin::Descriptor>(address);
    if (descriptor && descriptor->parameter_count > plugin::max_parameters)
        return Failure{"it declares " + std::to_string(descriptor->parameter_count) + " parameters; " +
                       std::to_string(plugin::max_parameters) + " are the most"};
    if (descriptor && descriptor->domain_parameter_count > plugin::max_domain_parameters)
        return Failure{"it declares " + std::to_string(descriptor->domain_parameter_count) +
                       " parameters of a domain; " + std::to_string(plugin::max_domain_parameters) +
                       " are the most"};
    return descriptor;
}

Result<std::vector<ParameterText>> parameters(const Reader& reader, const plugin::Parameter* first,
                                              std::uint64_t count) {
    std::vector<ParameterText> rows;
    const auto table = reinterpret_cast<std::uint64_t>(first);
    for (std::uint64_t i = 0; i < count; ++i) {
        const auto row = reader.at<plugin::Parameter>(table + i * sizeof(plugin::Parameter));
        if (!row)
            return Failure{row.error()};
        rows.push_back({reader.text(row->name), reader.text(row->unit), reader.text(row->help), row->initial,
                        row->least, row->most});
    }
    return rows;
}

Result<PluginText> describe(const Reader& reader, const plugin::Descriptor& descriptor) {
    PluginText text{descriptor.kind,
                    reader.text(descriptor.name),
                    reader.text(descriptor.summary),
                    reader.text(descriptor.good_at),
                    reader.text(descriptor.bad_at),
                    reader.text(descriptor.source),
                    {},
                    {},
                    descriptor.traits};
    if (text.name.empty())
        return Failure{"its descriptor gives it no name"};
    auto own = parameters(reader, descriptor.parameters, descriptor.parameter_count);
    auto of_domains = parameters(reader, descriptor.domain_parameters, descriptor.domain_parameter_count);
    if (!own || !of_domains)
        return Failure{own ? of_domains.error() : own.error()};
    text.parameters = std::move(*own);
    text.domain_parameters = std::move(*of_domains);
    return text;
}

} // namespace

std::expected<PluginText, std::string> read_plugin(Bytes file) {
    const auto header = open(file);
    if (!header)
        return Failure{header.error()};
    auto memory = load(file, *header);
    if (!memory)
        return Failure{memory.error()};
    const auto sections = find_sections(file, *header);
    if (!sections)
        return Failure{sections.error()};
    for (const Bytes table : sections->relocations)
        if (const auto done = relocate(*memory, table); !done)
            return Failure{done.error()};
    const auto address = find_descriptor(sections->symbols, sections->names);
    if (!address)
        return Failure{address.error()};
    const Reader reader{*memory};
    const auto descriptor = read_descriptor(reader, *address);
    if (!descriptor)
        return Failure{descriptor.error()};
    return describe(reader, *descriptor);
}

} // namespace bulkhead::python
