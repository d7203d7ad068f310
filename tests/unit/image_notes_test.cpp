#include "image/features.hpp"
#include "image/notes.hpp"
#include "image_maker.hpp"

#include <gtest/gtest.h>
#include <xen/elfnote.h>
#include <xen/features.h>

namespace bulkhead::test {
namespace {

using image::Error;
using image::Notes;

// The strings in the result point into the file, so both live together.
struct Read {
    explicit Read(ImageMaker& maker) : file{maker.make()} {
        const auto elf = image::Elf::open(file);
        EXPECT_TRUE(elf.has_value());
        notes = image::read_notes(*elf);
    }
    std::vector<std::byte> file;
    std::expected<Notes, Error> notes;
};

void all_notes(ImageMaker& maker) {
    maker.note_text(XEN_ELFNOTE_GUEST_OS, "testos");
    maker.note_text(XEN_ELFNOTE_GUEST_VERSION, "7");
    maker.note_text(XEN_ELFNOTE_XEN_VERSION, "xen-3.0");
    maker.note_text(XEN_ELFNOTE_LOADER, "generic");
    maker.note_number(XEN_ELFNOTE_ENTRY, 0x1001000);
    maker.note_number(XEN_ELFNOTE_VIRT_BASE, 0x1000000);
    maker.note_number(XEN_ELFNOTE_PADDR_OFFSET, 0x2000);
    maker.note_number(XEN_ELFNOTE_HYPERCALL_PAGE, 0x1002000);
    maker.note_number(XEN_ELFNOTE_INIT_P2M, 0x8000000000);
    maker.note(XEN_ELFNOTE_MOD_START_PFN, {"\1\0\0\0", 4});
    maker.note(XEN_ELFNOTE_SUPPORTED_FEATURES, {"\1\x88\0\0", 4});
    maker.note_text(XEN_ELFNOTE_FEATURES, "!writable_page_tables|pae_pgdir_above_4gb|made_up");
    maker.note_number(XEN_ELFNOTE_PHYS32_ENTRY, 0x1000850);
}

void expect_all(const Notes& notes) {
    EXPECT_TRUE(notes.found);
    EXPECT_FALSE(notes.legacy);
    EXPECT_EQ(notes.guest_os, "testos");
    EXPECT_EQ(notes.guest_version, "7");
    EXPECT_EQ(notes.xen_version, "xen-3.0");
    EXPECT_EQ(notes.loader, "generic");
    EXPECT_EQ(notes.entry, 0x1001000U);
    EXPECT_EQ(notes.virt_base, 0x1000000U);
    EXPECT_EQ(notes.paddr_offset, 0x2000U);
    EXPECT_EQ(notes.hypercall_page, 0x1002000U);
    EXPECT_EQ(notes.init_p2m, 0x8000000000U);
    EXPECT_TRUE(notes.mod_start_pfn);
    EXPECT_TRUE(notes.phys32_entry);
    EXPECT_EQ(notes.required_features, 1U << XENFEAT_writable_page_tables);
    EXPECT_EQ(notes.supported_features,
              0x8801U | 1U << XENFEAT_writable_page_tables | 1U << XENFEAT_pae_pgdir_above_4gb);
}

TEST(Notes, AreReadFromASegment) {
    ImageMaker maker;
    all_notes(maker);
    const Read read{maker};
    ASSERT_TRUE(read.notes.has_value());
    expect_all(*read.notes);
}

TEST(Notes, AreReadFromASection) {
    ImageMaker maker;
    maker.notes_in_section = true;
    all_notes(maker);
    const Read read{maker};
    ASSERT_TRUE(read.notes.has_value());
    expect_all(*read.notes);
}

TEST(Notes, OfOtherOwnersAreSkipped) {
    ImageMaker maker;
    maker.note(XEN_ELFNOTE_ENTRY, "12345678", {"GNU\0", 4});
    const Read read{maker};
    ASSERT_TRUE(read.notes.has_value());
    EXPECT_FALSE(read.notes->found);
    EXPECT_FALSE(read.notes->entry.has_value());
}

TEST(Notes, WithAnOddNumberAreRefused) {
    ImageMaker maker;
    maker.note(XEN_ELFNOTE_ENTRY, "12345");
    EXPECT_EQ(Read{maker}.notes.error(), Error::bad_note);
}

TEST(Notes, EndWhereASizeLeavesThem) {
    ImageMaker maker;
    maker.note_number(XEN_ELFNOTE_ENTRY, 0x1000);
    maker.note_number(XEN_ELFNOTE_VIRT_BASE, 0x1000);
    auto file = maker.make();
    // The second note's n_descsz: after the ELF header, one note of 12 + 4 + 8 bytes, and n_namesz.
    const std::uint32_t huge = 0xffff'fffe;
    std::memcpy(file.data() + sizeof(Elf64_Ehdr) + 24 + 4, &huge, sizeof huge);
    const auto elf = image::Elf::open(file);
    const auto notes = image::read_notes(*elf);
    ASSERT_TRUE(notes.has_value());
    EXPECT_EQ(notes->entry, 0x1000U);
    EXPECT_FALSE(notes->virt_base.has_value());
}

TEST(Notes, AreReadFromTheOlderText) {
    ImageMaker maker;
    maker.section("__xen_guest",
                  "GUEST_OS=old,GUEST_VER=2,XEN_VER=xen-3.0,VIRT_BASE=0xffffffff80000000,"
                  "VIRT_ENTRY=0xFFFFFFFF80001000,HYPERCALL_PAGE=0x2,ELF_PADDR_OFFSET=16,LOADER=generic,"
                  "PAE=yes[extended-cr3],FEATURES=writable_page_tables|auto_translated_physmap,BSD_SYMTAB");
    const Read read{maker};
    ASSERT_TRUE(read.notes.has_value());
    const auto& notes = *read.notes;
    EXPECT_TRUE(notes.found && notes.legacy);
    EXPECT_EQ(notes.guest_os, "old");
    EXPECT_EQ(notes.virt_base, 0xffffffff80000000U);
    EXPECT_EQ(notes.entry, 0xffffffff80001000U);
    EXPECT_EQ(notes.hypercall_page, 2U);
    EXPECT_EQ(notes.paddr_offset, 16U);
    EXPECT_EQ(notes.required_features, 0U);
    EXPECT_EQ(notes.supported_features, 0b101U);
}

TEST(Notes, OlderTextWithABadNumberIsRefused) {
    for (const auto* text :
         {"VIRT_BASE=", "VIRT_BASE=0x", "VIRT_BASE=12z", "VIRT_BASE=0x10000000000000000", "VIRT_BASE=9a"}) {
        ImageMaker maker;
        maker.section("__xen_guest", text);
        EXPECT_EQ(Read{maker}.notes.error(), Error::bad_note) << text;
    }
}

TEST(Features, UnknownOnesMatterOnlyIfRequired) {
    EXPECT_TRUE(image::parse_features("").has_value());
    EXPECT_TRUE(image::parse_features("|made_up||").has_value());
    EXPECT_EQ(image::parse_features("dom0|!made_up").error(), Error::impossible_feature);
}

} // namespace
} // namespace bulkhead::test
