// bulkhead_plugin_check FILE...: judges policies' files as every host does and, since hosts leave the vector
// registers to the guests, disassembles the code for uses of them. Prints a file and a sentence for each one
// that is refused. It must never run a policy.
#include "plugin/file.hpp"

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <regex>
#include <set>
#include <string>
#include <vector>

extern "C" {
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
}

namespace {

using namespace bulkhead;
using Complaint = std::optional<std::string>;

Complaint in_words(const plugin::Refusal& refusal) { return std::string{plugin::sentence(refusal).view()}; }

// What a command prints, or nothing if it cannot be run or fails.
std::optional<std::string> output_of(std::vector<std::string> words) {
    std::array<int, 2> ends{};
    if (::pipe(ends.data()) != 0)
        return std::nullopt;
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    ::posix_spawn_file_actions_addclose(&actions, ends[0]);
    std::vector<char*> arguments;
    arguments.reserve(words.size() + 1);
    for (auto& word : words)
        arguments.push_back(word.data());
    arguments.push_back(nullptr);
    pid_t child = 0;
    const bool started =
        ::posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ) == 0;
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    std::string text;
    std::array<char, 4096> piece{};
    for (ssize_t bytes = 0; (bytes = ::read(ends[0], piece.data(), piece.size())) > 0;)
        text.append(piece.data(), static_cast<std::size_t>(bytes));
    ::close(ends[0]);
    int status = 1;
    if (!started || ::waitpid(child, &status, 0) != child || status != 0)
        return std::nullopt;
    return text;
}

Complaint judge_registers(const std::string& path) {
    const auto code = output_of({"objdump", "-d", "--no-show-raw-insn", "--", path});
    if (!code)
        return "the code cannot be disassembled; install the package binutils, which has objdump";
    static const std::regex vector{"%([xyz]?mm[0-9]+|st\\b)"};
    std::set<std::string> used;
    for (std::sregex_iterator found{code->begin(), code->end(), vector}, end; found != end; ++found)
        used.insert((*found)[1]);
    if (used.empty())
        return std::nullopt;
    std::string list;
    for (const auto& name : used)
        list += (list.empty() ? "" : ", ") + name;
    return in_words({.reason = plugin::Reason::vector_registers, .text = list});
}

Complaint judge(const std::string& path) {
    std::ifstream in{path, std::ios::binary};
    const std::vector<char> bytes{std::istreambuf_iterator<char>{in}, {}};
    if (!in.is_open() || in.bad() || std::filesystem::is_directory(path))
        return "the file cannot be read; check its path and permissions";
    const auto file = plugin::read_file(std::as_bytes(std::span{bytes}));
    return file ? judge_registers(path) : in_words(file.error());
}

} // namespace

int main(int count, char** arguments) {
    bool refused = count < 2;
    if (refused)
        std::cout << "usage: bulkhead_plugin_check FILE...   (policies' shared objects)\n";
    for (int i = 1; i < count; ++i)
        if (const auto complaint = judge(arguments[i])) {
            std::cout << arguments[i] << ": " << *complaint << '\n';
            refused = true;
        }
    return refused ? 1 : 0;
}
