// The paging fuzzer without a fuzzing engine: replays the files named on the command line, or, with none, a
// fixed set of random inputs, the same on every machine.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <span>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

// splitmix64 (Steele, Lea, Flood, OOPSLA 2014).
std::uint64_t next(std::uint64_t& state) {
    auto z = state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

std::vector<std::uint8_t> random_input(std::uint64_t seed) {
    std::vector<std::uint8_t> bytes(400 + next(seed) % 2000);
    for (auto& b : bytes)
        b = static_cast<std::uint8_t>(next(seed));
    return bytes;
}

} // namespace

int main(int argc, char** argv) {
    for (const char* path : std::span{argv, static_cast<std::size_t>(argc)}.subspan(1)) {
        std::ifstream file{path, std::ios::binary};
        const std::vector<std::uint8_t> bytes{std::istreambuf_iterator<char>{file}, {}};
        LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    }
    if (argc > 1)
        return 0;
    const char* wanted = std::getenv("PAGING_REPLAY_INPUTS");
    const auto inputs = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 60;
    for (std::uint64_t seed = 1; seed <= inputs; ++seed) {
        std::fprintf(stderr, "\rinput %llu", static_cast<unsigned long long>(seed));
        const auto bytes = random_input(seed);
        LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    }
    std::fprintf(stderr, "\n");
}
