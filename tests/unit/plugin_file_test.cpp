// The reader of policies' files against the list of bad files and against random damage; the simulator must
// answer alike.
#include "sim/plugin_file.hpp"
#include "tests/policy_files/bad_files.hpp"
#include "tests/policy_files/placement.hpp"

#include <fstream>
#include <gtest/gtest.h>
#include <random>
#include <set>

namespace bulkhead::test {
namespace {

using plugin::Kind;

const std::filesystem::path build{BULKHEAD_BUILD_FOLDER};

GoodFiles good_files() {
    return {bytes_of(build / "sched/credit.so"), bytes_of(build / "memctl/first_fit.so"),
            bytes_of(build / "ringctl/fifo.so")};
}

std::vector<std::filesystem::path> all_policies() {
    std::vector<std::filesystem::path> found;
    for (const auto* folder : {"sched", "memctl", "ringctl"})
        for (const auto& entry : std::filesystem::directory_iterator{build / folder})
            if (entry.path().extension() == ".so")
                found.push_back(entry.path());
    return found;
}

// A folder of this test's own, gone with it. Each file gets a new name: a library that is open is not read
// again.
class Folder {
  public:
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "policies.XXXXXX").string();
        path_ = ::mkdtemp(name.data());
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    std::filesystem::path write(const std::string& name, const FileBytes& bytes) const {
        const auto path = path_ / (name + ".so");
        std::filesystem::remove(path); // another file, also for the linker
        std::ofstream out{path, std::ios::binary};
        out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
        return path;
    }

  private:
    std::filesystem::path path_;
};

TEST(PolicyFile, EveryReasonHasABadFile) {
    std::set<plugin::Reason> met;
    for (const auto& file : bad_files(good_files()))
        met.insert(file.reason);
    EXPECT_EQ(met.size(), plugin::reason_count);
}

TEST(PolicyFile, BadFilesAreRefusedForTheirReason) {
    for (const auto& file : bad_files(good_files())) {
        const auto read = plugin::read_file(file.bytes, file.wanted);
        if (file.reason == plugin::Reason::vector_registers)
            EXPECT_TRUE(read) << file.name; // the build's check alone disassembles
        else if (read)
            ADD_FAILURE() << file.name << " is accepted";
        else
            EXPECT_EQ(read.error().reason, file.reason)
                << file.name << ": " << plugin::sentence(read.error()).view();
    }
}

TEST(PolicyFile, TheSimulatorRefusesInTheSameWords) {
    const Folder folder;
    for (const auto& file : bad_files(good_files())) {
        if (file.reason == plugin::Reason::vector_registers)
            continue;
        const auto path = folder.write(file.name, file.bytes);
        const auto words = plugin::sentence(plugin::read_file(file.bytes, file.wanted).error());
        const auto opened = sim::PluginFile::open(path, file.wanted);
        ASSERT_FALSE(opened) << file.name;
        EXPECT_EQ(opened.error(), path.string().append(": ").append(words.view()));
    }
}

TEST(PolicyFile, BuiltPoliciesReadAsTheyRun) {
    ASSERT_GE(all_policies().size(), 20U);
    for (const auto& path : all_policies()) {
        SCOPED_TRACE(path);
        const auto bytes = bytes_of(path);
        const auto read = plugin::read_file(bytes);
        ASSERT_TRUE(read) << plugin::sentence(read.error()).view();
        EXPECT_TRUE(is_placed_well(bytes, *read));
        const auto opened = sim::PluginFile::open(path, read->kind);
        ASSERT_TRUE(opened) << opened.error();
        const auto& descriptor = opened->descriptor();
        EXPECT_EQ(read->name, descriptor.name);
        EXPECT_EQ(read->bad_at, descriptor.bad_at);
        ASSERT_EQ(read->parameters.rows().size(), descriptor.parameter_count);
        for (std::size_t i = 0; const auto& row : read->parameters.rows()) {
            const auto& own = descriptor.parameters[i++];
            EXPECT_EQ(row.help, own.help);
            EXPECT_EQ((std::tuple{row.initial, row.least, row.most}),
                      (std::tuple{own.initial, own.least, own.most}));
        }
    }
}

// Any damage ends in a refusal or in a file that can be placed and opened; sanitizers see the rest.
TEST(PolicyFile, DamageIsRefusedOrHarmless) {
    const Folder folder;
    std::mt19937 random{1};
    const auto good = good_files();
    int accepted = 0;
    for (int i = 0; i < 10'000; ++i) {
        FileBytes bytes = i % 3 == 0 ? good.scheduler : i % 3 == 1 ? good.memory : good.ring;
        const auto end = Spoiler{bytes}.segment(2).p_offset + Spoiler{bytes}.segment(2).p_filesz;
        const auto headers = Spoiler{bytes}.segment(0).p_filesz,
                   relocated = Spoiler{bytes}.segment(2).p_offset;
        for (auto changes = 1 + random() % 3; changes > 0; --changes) {
            const auto at = random() % 2 == 0 ? random() % headers : relocated + random() % (end - relocated);
            bytes[at] = random() % 2 == 0 ? static_cast<std::byte>(random()) : std::byte{0xff};
        }
        if (random() % 50 == 0)
            bytes.resize(random() % bytes.size());
        const auto read = plugin::read_file(bytes);
        if (!read)
            continue;
        ASSERT_TRUE(is_placed_well(bytes, *read)) << i;
        if (++accepted % 20 == 0) {
            const auto opened = sim::PluginFile::open(folder.write(std::to_string(i), bytes), read->kind);
            ASSERT_TRUE(opened) << opened.error();
        }
    }
    EXPECT_GT(accepted, 300);
}

TEST(PolicyFile, AFileThatIsNotThereIsOneSentence) {
    const auto opened = sim::PluginFile::open("/nowhere/policy.so");
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error(), "/nowhere/policy.so: the file cannot be read; check its path and permissions");
}

TEST(PolicyFile, AFileThatChangesInUseIsNotTakenForTheOldOne) {
    const Folder folder;
    const auto good = good_files();
    const auto path = folder.write("policy", good.scheduler);
    const auto first = sim::PluginFile::open(path);
    ASSERT_TRUE(first) << first.error();
    folder.write("policy", bytes_of(build / "sched/stride.so"));
    const auto second = sim::PluginFile::open(path);
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().find("the file changed while it was in use"), std::string::npos);
}

TEST(PolicyFileDeathTest, ConstantsCannotBeWritten) {
    const auto opened = sim::PluginFile::open(build / "sched/credit.so");
    ASSERT_TRUE(opened);
    auto* magic = const_cast<volatile std::uint64_t*>(&opened->descriptor().magic);
    EXPECT_DEATH(*magic = 0, "");
}

} // namespace
} // namespace bulkhead::test
