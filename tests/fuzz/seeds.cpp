// Writes the fuzzers' first inputs: correct files, from which mutations reach deep.
#include "../unit/dom0_manifest_maker.hpp"
#include "../unit/image_maker.hpp"

#include <filesystem>
#include <fstream>
#include <random>
#include <xen/elfnote.h>

using namespace bulkhead;
using namespace bulkhead::test;

namespace {

void write(const std::filesystem::path& path, std::string_view bytes) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream out{path, std::ios::binary};
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

std::string_view text(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// 255 * 64 frames of memory and a small initrd, then the file.
std::string image_input(ImageMaker& maker) {
    const auto file = maker.make();
    return "\xff\x11" + std::string{text(file)};
}

void image_seeds(const std::filesystem::path& folder) {
    constexpr std::uint64_t base = 0xffffffff80000000;
    ImageMaker plain;
    plain.load(0, "code", 0x2000);
    plain.note_number(XEN_ELFNOTE_ENTRY, 0);
    write(folder / "plain", image_input(plain));
    ImageMaker rich;
    rich.load(0x100000, std::string(0x1100, 'c'), 0x3000);
    rich.load(0x104000, "data", 0x20);
    rich.note_number(XEN_ELFNOTE_VIRT_BASE, base);
    rich.note_number(XEN_ELFNOTE_ENTRY, base + 0x100000);
    rich.note_number(XEN_ELFNOTE_HYPERCALL_PAGE, base + 0x101000);
    rich.note_number(XEN_ELFNOTE_INIT_P2M, 0x8000000000);
    rich.note_number(XEN_ELFNOTE_MOD_START_PFN, 1);
    rich.note_text(XEN_ELFNOTE_FEATURES, "!writable_page_tables|pae_pgdir_above_4gb");
    write(folder / "rich", image_input(rich));
    rich.notes_in_section = true;
    write(folder / "section", image_input(rich));
    ImageMaker old;
    old.load(base + 0x1000, "code", 0x2000);
    old.section("__xen_guest",
                "GUEST_OS=old,VIRT_BASE=0xffffffff80000000,VIRT_ENTRY=0xffffffff80001000,HYPERCALL_PAGE=2");
    write(folder / "legacy", image_input(old));
}

void manifest_seeds(const std::filesystem::path& folder) {
    ManifestMaker maker;
    maker.guest("victim").kernel = {.offset = 0, .bytes = 64};
    maker.guest("hog").time_mode = manifest::TimeMode::real;
    maker.at(5, manifest::Action::create, 1);
    maker.at(9, manifest::Action::end_run);
    write(folder / "two_guests", text(maker.make()));
}

void xenstore_seeds(const std::filesystem::path& folder) {
    std::mt19937 random{1};
    for (int i = 0; i < 16; ++i) {
        std::string bytes(static_cast<std::size_t>(32 << (i % 4)), '\0');
        for (auto& byte : bytes)
            byte = static_cast<char>(random());
        write(folder / std::to_string(i), bytes);
    }
}

} // namespace

int main(int count, char** arguments) {
    if (count != 2)
        return 2;
    const std::filesystem::path folder{arguments[1]};
    image_seeds(folder / "image");
    manifest_seeds(folder / "manifest");
    xenstore_seeds(folder / "xenstore");
    return 0;
}
