#include "dom0_manifest_maker.hpp"
#include "guest/dom0/manifest_view.hpp"

#include <gtest/gtest.h>

namespace bulkhead::test {
namespace {

using dom0::Manifest;
using dom0::ManifestError;
using manifest::Action;

ManifestMaker good() {
    ManifestMaker maker;
    maker.guest("victim");
    maker.guest("hog");
    maker.at(5, Action::create, 1);
    maker.at(5, Action::audit, 77);
    maker.at(9, Action::end_run);
    return maker;
}

void expect_fault(std::span<const std::byte> bytes, ManifestError error, std::size_t index = 0) {
    const auto manifest = Manifest::open(bytes);
    ASSERT_FALSE(manifest.has_value()) << dom0::message(error);
    EXPECT_EQ(manifest.error().error, error) << dom0::message(manifest.error().error);
    EXPECT_EQ(manifest.error().index, index);
}

TEST(Manifest, AGoodOneIsRead) {
    auto maker = good();
    const auto manifest = Manifest::open(maker.make());
    ASSERT_TRUE(manifest.has_value()) << dom0::message(manifest.error().error);
    ASSERT_EQ(manifest->guests().size(), 2U);
    EXPECT_EQ(dom0::name_of(manifest->guests()[1]), "hog");
    ASSERT_EQ(manifest->timeline().size(), 3U);
    EXPECT_EQ(manifest->timeline()[2].at, 9);
    EXPECT_EQ(manifest->text({.offset = 0, .bytes = 8}), "MANIFEST");
}

TEST(Manifest, AnEmptyRunIsFine) {
    ManifestMaker maker;
    EXPECT_TRUE(Manifest::open(maker.make()).has_value());
}

TEST(Manifest, DamagedHeadersAreRefused) {
    expect_fault({}, ManifestError::too_short);
    auto maker = good();
    expect_fault(maker.make().first(sizeof(manifest::Header) - 1), ManifestError::too_short);
    expect_fault(maker.make().first(maker.header.total_bytes - 8), ManifestError::bad_size);
    maker.header.magic ^= 1;
    expect_fault(maker.make(), ManifestError::bad_magic);
    maker = good();
    maker.header.version = 99;
    expect_fault(maker.make(), ManifestError::other_version);
    maker = good();
    maker.header.header_bytes = 8;
    expect_fault(maker.make(), ManifestError::bad_size);
}

TEST(Manifest, TablesThatLeaveItAreRefused) {
    for (const std::uint64_t bad : {std::uint64_t{1}, std::uint64_t{1} << 40, ~std::uint64_t{0} - 7}) {
        auto maker = good();
        static_cast<void>(maker.make());
        maker.header.guests = bad;
        expect_fault(maker.as_it_is(), ManifestError::bad_table);
        maker = good();
        static_cast<void>(maker.make());
        maker.header.timeline = bad;
        expect_fault(maker.as_it_is(), ManifestError::bad_table);
    }
    auto maker = good();
    static_cast<void>(maker.make());
    maker.header.guest_count = 0xffff'ffff;
    expect_fault(maker.as_it_is(), ManifestError::bad_table);
}

struct BadGuest {
    const char* what;
    void (*spoil)(manifest::Guest&);
    ManifestError error;
};

class ManifestGuest : public testing::TestWithParam<BadGuest> {};

TEST_P(ManifestGuest, IsRefused) {
    auto maker = good();
    GetParam().spoil(maker.guests[1]);
    expect_fault(maker.make(), GetParam().error, 1);
}

INSTANTIATE_TEST_SUITE_P(
    Bad, ManifestGuest,
    testing::Values(
        BadGuest{"no name", [](auto& g) { g.name[0] = '\0'; }, ManifestError::bad_name},
        BadGuest{"endless name", [](auto& g) { std::memset(g.name, 'x', sizeof g.name); },
                 ManifestError::bad_name},
        BadGuest{"odd name", [](auto& g) { g.name[1] = '\n'; }, ManifestError::bad_name},
        BadGuest{"twice", [](auto& g) { std::memcpy(g.name, "victim", 7); }, ManifestError::same_name},
        BadGuest{"kernel", [](auto& g) { g.kernel = {.offset = 0, .bytes = 1 << 30}; },
                 ManifestError::bad_blob},
        BadGuest{"initrd", [](auto& g) { g.initrd = {.offset = ~0ULL, .bytes = 2}; },
                 ManifestError::bad_blob},
        BadGuest{"command line", [](auto& g) { g.cmdline = {.offset = 8, .bytes = ~0ULL}; },
                 ManifestError::bad_blob},
        BadGuest{"memory", [](auto& g) { g.memory_bytes = 4095; }, ManifestError::bad_memory},
        BadGuest{"maximum", [](auto& g) { g.max_memory_bytes = g.memory_bytes - 1; },
                 ManifestError::bad_memory},
        BadGuest{"no vCPU", [](auto& g) { g.vcpus = 0; }, ManifestError::bad_vcpus},
        BadGuest{"many vCPUs", [](auto& g) { g.vcpus = 33; }, ManifestError::bad_vcpus},
        BadGuest{"time", [](auto& g) { g.time_mode = manifest::TimeMode{3}; }, ManifestError::bad_choice},
        BadGuest{"crash", [](auto& g) { g.on_crash = manifest::OnCrash{9}; }, ManifestError::bad_choice},
        BadGuest{"dilation", [](auto& g) { g.time_mode = manifest::TimeMode::dilated; },
                 ManifestError::bad_time},
        BadGuest{"start", [](auto& g) { g.start = -1; }, ManifestError::bad_start}));

TEST(Manifest, BadTimelinesAreRefused) {
    auto maker = good();
    maker.timeline[1].at = 4;
    expect_fault(maker.make(), ManifestError::unordered, 1);
    maker = good();
    maker.timeline[0].at = -1;
    expect_fault(maker.make(), ManifestError::unordered, 0);
    maker = good();
    maker.timeline[2].action = Action{1000};
    expect_fault(maker.make(), ManifestError::bad_action, 2);
    maker = good();
    maker.timeline[0].target = 2;
    expect_fault(maker.make(), ManifestError::bad_target, 0);
}

TEST(Manifest, PlacementsAreOfVcpusThatExist) {
    auto maker = good();
    maker.guests[1].vcpus = 2;
    maker.placements = {{.guest = 1, .vcpu = 1, .affinity = 1, .preferred = 0}};
    const auto opened = Manifest::open(maker.make());
    ASSERT_TRUE(opened);
    ASSERT_EQ(opened->placements().size(), 1U);
    EXPECT_EQ(opened->placements()[0].affinity, 1U);
    maker.placements[0].vcpu = 2;
    expect_fault(maker.make(), ManifestError::bad_placement, 0);
    maker.placements[0] = {.guest = 2, .vcpu = 0, .affinity = 1, .preferred = 0};
    expect_fault(maker.make(), ManifestError::bad_placement, 0);
    maker.placements[0].guest = 0;
    static_cast<void>(maker.make());
    maker.header.placements = ~std::uint64_t{7};
    expect_fault(maker.as_it_is(), ManifestError::bad_table, 0);
}

} // namespace
} // namespace bulkhead::test
