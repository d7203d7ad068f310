// How a guest test is written: one file, one GUEST_TEST, its documentation in the file's header comment. A
// test ends with success when its body ends; the functions below end it earlier. Each test prints exactly one
// line `VERDICT name success|skip|failure|error text`.
#pragma once

#include "guest/runtime/print.hpp"
#include "guest/runtime/result.hpp"

#include <array>
#include <string_view>

namespace bulkhead::guest_test {

using namespace bulkhead::guest;

// failure: the hypervisor is wrong. error: the test could not do its work. skip: not applicable here, said
// why.
enum class Outcome { success, skip, failure, error };

// `together` tests share one boot when `test=all`; `alone` ones end the domain or leave it unusable.
enum class Company { together, alone };

struct Test {
    std::string_view name;
    std::string_view help;
    Company company;
    void (*run)();
};

[[noreturn]] void finish(Outcome outcome, std::string_view text);

template<class... T>
[[noreturn]] void finish(Outcome outcome, std::string_view text, const T&... arguments) {
    std::array<char, 256> buffer;
    finish(outcome, format(std::span<char>{buffer}, text, arguments...));
}
template<class... T>
[[noreturn]] void skip(std::string_view text, const T&... arguments) {
    finish(Outcome::skip, text, arguments...);
}
template<class... T>
void check(bool right, std::string_view text, const T&... arguments) {
    if (!right)
        finish(Outcome::failure, text, arguments...);
}
// The call must have worked, or the hypervisor is wrong.
template<class T>
T works(const Result<T>& result, std::string_view what) {
    if (!result)
        finish(Outcome::failure, "{} was refused: {}", what, result.error());
    if constexpr (!std::is_void_v<T>)
        return *result;
}
// The call must be refused, with whatever error.
template<class T>
void refused(const Result<T>& result, std::string_view what) {
    check(!result, "{} was accepted", what);
}
template<class T>
void refused(const Result<T>& result, Error error, std::string_view what) {
    check(!result, "{} was accepted", what);
    check(result.error() == error, "{}: refused with {}, not {}", what, result.error(), error);
}

template<const Test& test>
consteval auto encode() {
    constexpr std::string_view kind = test.company == Company::alone ? "test_alone" : "test";
    std::array<char, kind.size() + test.name.size() + test.help.size() + 4> text{};
    std::size_t at = 0;
    for (const std::string_view field : {kind, test.name, test.help}) {
        for (const char c : field)
            text[at++] = c;
        ++at;
    }
    return text;
}

} // namespace bulkhead::guest_test

// GUEST_TEST(name, "what it shows") { body }
#define GUEST_TEST_OF(company_, test_name, help_text)                                                        \
    static void test_name##_body();                                                                          \
    static constexpr bulkhead::guest_test::Test test_name##_test{#test_name, help_text, company_,            \
                                                                 test_name##_body};                          \
    [[gnu::section(".bulkhead.workloads"), gnu::used]] static constexpr auto test_name##_text =              \
        bulkhead::guest_test::encode<test_name##_test>();                                                    \
    [[gnu::section(".entries"),                                                                              \
      gnu::used]] static constexpr const bulkhead::guest_test::Test* test_name##_entry = &test_name##_test;  \
    static void test_name##_body()
#define GUEST_TEST(test_name, help_text)                                                                     \
    GUEST_TEST_OF(bulkhead::guest_test::Company::together, test_name, help_text)
#define GUEST_TEST_ALONE(test_name, help_text)                                                               \
    GUEST_TEST_OF(bulkhead::guest_test::Company::alone, test_name, help_text)
