#include "image/elf.hpp"
#include "image_maker.hpp"

#include <fstream>
#include <gtest/gtest.h>
#include <iterator>

namespace bulkhead::test {

std::vector<std::byte> read_file(const char* path) {
    std::ifstream in{path, std::ios::binary};
    const std::string all{std::istreambuf_iterator<char>{in}, {}};
    std::vector<std::byte> bytes(all.size());
    std::memcpy(bytes.data(), all.data(), all.size());
    return bytes;
}

namespace {

using image::Elf;
using image::Error;

Error refusal(const std::vector<std::byte>& file) {
    const auto elf = Elf::open(file);
    EXPECT_FALSE(elf.has_value());
    return elf ? Error{} : elf.error();
}

std::vector<std::byte> bytes_of(std::string_view text) {
    std::vector<std::byte> bytes(text.size());
    std::memcpy(bytes.data(), text.data(), text.size());
    return bytes;
}

TEST(Elf, OpensAWellFormedFile) {
    ImageMaker maker;
    maker.load(0, "code", 4);
    maker.section("custom", "payload");
    const auto file = maker.make();
    const auto elf = Elf::open(file);
    ASSERT_TRUE(elf.has_value());
    ASSERT_EQ(elf->program_headers(), 1U);
    EXPECT_EQ(image::text(*elf->contents(elf->program_header(0))), "code");
    ASSERT_EQ(elf->section_headers(), 3U);
    EXPECT_EQ(elf->name(elf->section_header(1)), "custom");
    EXPECT_EQ(image::text(*elf->contents(elf->section_header(1))), "payload");
}

TEST(Elf, NamesWhatIsNoElfFile) {
    EXPECT_EQ(refusal({}), Error::not_elf);
    EXPECT_EQ(refusal(bytes_of("#!/bin/sh\n")), Error::not_elf);
    EXPECT_EQ(refusal(bytes_of("\x1f\x8b\x08")), Error::compressed);
    EXPECT_EQ(refusal(bytes_of({"\xfd"
                                "7zXZ\0x",
                                7})),
              Error::compressed);
    std::string bzimage(0x206, '\0');
    bzimage.replace(0x202, 4, "HdrS");
    EXPECT_EQ(refusal(bytes_of(bzimage)), Error::boot_wrapper);
}

TEST(Elf, RefusesOtherKindsOfElf) {
    ImageMaker maker;
    maker.header.e_ident[EI_CLASS] = ELFCLASS32;
    EXPECT_EQ(refusal(maker.make()), Error::not_x86) << "of 32 bits, but for x86-64";
    maker = {};
    maker.header.e_machine = EM_AARCH64;
    EXPECT_EQ(refusal(maker.make()), Error::not_x86);
    maker = {};
    maker.header.e_type = ET_DYN;
    EXPECT_EQ(refusal(maker.make()), Error::not_executable);
}

TEST(Elf, RefusesEveryTruncation) {
    ImageMaker maker;
    maker.load(0, "code", 4);
    const auto file = maker.make();
    for (std::size_t length = 6; length < file.size(); ++length)
        EXPECT_EQ(refusal({file.begin(), file.begin() + static_cast<std::ptrdiff_t>(length)}),
                  Error::truncated)
            << length;
}

TEST(Elf, RefusesTablesThatWrapAround) {
    ImageMaker maker;
    maker.load(0, "code", 4);
    auto file = maker.make();
    Elf64_Ehdr header;
    std::memcpy(&header, file.data(), sizeof header);
    header.e_phoff = ~std::uint64_t{0} - 8;
    std::memcpy(file.data(), &header, sizeof header);
    EXPECT_EQ(refusal(file), Error::truncated);
    header.e_phoff = 64;
    header.e_phentsize = 8;
    std::memcpy(file.data(), &header, sizeof header);
    EXPECT_EQ(refusal(file), Error::truncated);
}

TEST(Elf, ContentsOutsideOfTheFileAreNothing) {
    ImageMaker maker;
    maker.load(0, "code", 4);
    const auto file = maker.make();
    const auto elf = Elf::open(file);
    ASSERT_TRUE(elf.has_value());
    auto segment = elf->program_header(0);
    segment.p_filesz = file.size();
    EXPECT_FALSE(elf->contents(segment).has_value());
    segment.p_filesz = ~std::uint64_t{0};
    EXPECT_FALSE(elf->contents(segment).has_value());
}

TEST(Elf, NamesOutsideOfTheTableAreEmpty) {
    ImageMaker maker;
    maker.section("custom", "payload");
    const auto file = maker.make();
    const auto elf = Elf::open(file);
    ASSERT_TRUE(elf.has_value());
    auto section = elf->section_header(1);
    section.sh_name = 0xffff'ffff;
    EXPECT_EQ(elf->name(section), "");
}

} // namespace
} // namespace bulkhead::test
