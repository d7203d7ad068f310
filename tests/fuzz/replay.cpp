// Stands in for libFuzzer where the compiler has none: runs the harness on seed files and on random changes
// of them. The random numbers are the same each time, so a failure repeats.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Bytes = std::vector<std::uint8_t>;

std::vector<Bytes> read_seeds(const char* folder) {
    std::vector<Bytes> seeds;
    for (const auto& entry : std::filesystem::directory_iterator{folder}) {
        std::ifstream in{entry.path(), std::ios::binary};
        seeds.emplace_back(std::istreambuf_iterator<char>{in}, std::istreambuf_iterator<char>{});
    }
    return seeds;
}

void mutate(Bytes& bytes, std::mt19937_64& random) {
    static constexpr std::uint8_t edges[]{0, 1, 0x7f, 0x80, 0xff};
    for (auto changes = random() % 8 + 1; changes != 0 && !bytes.empty(); --changes) {
        auto& byte = bytes[random() % bytes.size()];
        switch (random() % 5) {
        case 0:
            byte = static_cast<std::uint8_t>(random());
            break;
        case 1:
            byte ^= static_cast<std::uint8_t>(1U << random() % 8);
            break;
        case 2:
            byte = edges[random() % std::size(edges)];
            break;
        case 3:
            bytes.resize(random() % bytes.size() + 1);
            break;
        default:
            bytes.push_back(static_cast<std::uint8_t>(random()));
            break;
        }
    }
}

} // namespace

int main(int count, char** arguments) {
    if (count != 3) {
        std::fprintf(stderr, "usage: %s SEED_FOLDER RUNS\n", arguments[0]);
        return 2;
    }
    const auto seeds = read_seeds(arguments[1]);
    if (seeds.empty())
        return 2;
    for (const auto& seed : seeds)
        LLVMFuzzerTestOneInput(seed.data(), seed.size());
    std::mt19937_64 random{1};
    const auto runs = std::stoul(arguments[2]);
    for (unsigned long run = 0; run < runs; ++run) {
        auto bytes = seeds[random() % seeds.size()];
        mutate(bytes, random);
        LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    }
    std::printf("%zu seeds and %lu changed inputs\n", seeds.size(), runs);
    return 0;
}
