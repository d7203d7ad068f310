// A fuzzing harness without a fuzzing engine: replays the files named on the command line, or, with none, a
// fixed set of random inputs, the same on every machine.

#include <cstdio>
#include <fstream>
#include <iterator>
#include <random>
#include <span>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr std::uint64_t inputs = 100;

std::vector<std::uint8_t> random_input(std::uint64_t seed) {
    std::mt19937_64 random{seed};
    std::vector<std::uint8_t> bytes(100 + random() % 1000);
    for (auto& byte : bytes)
        byte = static_cast<std::uint8_t>(random());
    return bytes;
}

} // namespace

int main(int argc, char** argv) {
    for (const char* path : std::span{argv, static_cast<std::size_t>(argc)}.subspan(1)) {
        std::ifstream file{path, std::ios::binary};
        const std::vector<std::uint8_t> bytes{std::istreambuf_iterator<char>{file}, {}};
        LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    }
    for (std::uint64_t seed = 1; argc == 1 && seed <= inputs; ++seed) {
        const auto bytes = random_input(seed);
        LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    }
}
