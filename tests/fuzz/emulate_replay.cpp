// The emulation fuzzer without libFuzzer: a fixed number of inputs from a fixed seed, half of them made of
// opcodes that the decoder knows so that they get past it.
#include <cstdint>
#include <cstdio>
#include <random>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Bytes = std::vector<std::uint8_t>;

const Bytes openings[] = {{0x0f, 0xa2},
                          {0x0f, 0x30},
                          {0x0f, 0x32},
                          {0xcd},
                          {0x0f, 0x20},
                          {0x0f, 0x22},
                          {0x0f, 0x23},
                          {0x0f, 0x01},
                          {0xf3, 0x6d},
                          {0xf3, 0x6e},
                          {0xec},
                          {0xe5},
                          {0x0f, 0x06},
                          {0xf4},
                          {0x48, 0x89},
                          {0x48, 0x87},
                          {0xf0, 0x48, 0x0f, 0xb1},
                          {0x48, 0xc7},
                          {0xf0, 0x80},
                          {0xf0, 0x0f, 0xba},
                          {0x0f, 0x0b, 'x', 'e', 'n', 0x0f, 0xa2},
                          {0x48, 0xab}};

} // namespace

int main() {
    constexpr unsigned runs = 100'000;
    constexpr std::size_t head = 1 + 16 * 8; // choices and registers
    std::mt19937_64 random{1};
    for (unsigned i = 0; i < runs; ++i) {
        Bytes input(head + random() % 80);
        for (auto& byte : input)
            byte = static_cast<std::uint8_t>(random());
        if (i % 2 == 0 && input.size() >= head + 8) {
            const auto& opening = openings[random() % std::size(openings)];
            std::copy(opening.begin(), opening.end(), input.begin() + head);
        }
        LLVMFuzzerTestOneInput(input.data(), input.size());
    }
    std::printf("%u inputs\n", runs);
}
