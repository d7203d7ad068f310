// bulkhead_bad_policies FOLDER SCHEDULER MEMORY_POLICY RING_POLICY: writes the bad files that are made from
// these good ones, and refusals.tsv: for each its name, the number of the kind that it is read as, whether
// hosts refuse it (1) or only the build's check does (0), and the sentence.
#include "tests/policy_files/bad_files.hpp"

#include <fstream>
#include <iostream>

using namespace bulkhead;
using namespace bulkhead::test;

namespace {

// Only the build's check knows which registers the code uses, so its sentence is not made by the reader.
std::string sentence_of(const BadFile& file) {
    if (file.reason == plugin::Reason::vector_registers)
        return std::string{plugin::sentence({.reason = file.reason, .text = "xmm0, xmm1"}).view()};
    const auto judged = plugin::read_file(file.bytes, file.wanted);
    return judged ? "accepted" : std::string{plugin::sentence(judged.error()).view()};
}

void write(const std::filesystem::path& path, const FileBytes& bytes) {
    std::ofstream out{path, std::ios::binary};
    out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

} // namespace

int main(int count, char** arguments) {
    if (count != 5) {
        std::cerr << "usage: bulkhead_bad_policies FOLDER SCHEDULER MEMORY_POLICY RING_POLICY\n";
        return 2;
    }
    const std::filesystem::path folder{arguments[1]};
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    std::ofstream list{folder / "refusals.tsv"};
    for (const auto& file :
         bad_files({bytes_of(arguments[2]), bytes_of(arguments[3]), bytes_of(arguments[4])})) {
        write(folder / (file.name + ".so"), file.bytes);
        list << file.name << '\t' << static_cast<unsigned>(file.wanted) << '\t'
             << (file.reason != plugin::Reason::vector_registers) << '\t' << sentence_of(file) << '\n';
    }
    return 0;
}
