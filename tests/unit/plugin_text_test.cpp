// Names, texts and sentences of policies' files.
#include "plugin/refusal.hpp"
#include "plugin/text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bulkhead::plugin {
namespace {

TEST(PolicyNames, AreIdentifiers) {
    for (const auto* good : {"a", "credit2", "Rate_Limit", "x_"})
        EXPECT_TRUE(is_name(good)) << good;
    for (const auto* bad : {"", "2credit", "_x", "rate-limit", "a b", "a=1", "\xc3\xa9t\xc3\xa9"})
        EXPECT_FALSE(is_name(bad)) << bad;
}

TEST(PolicyTexts, ArePrintableUtf8) {
    for (const auto* good : {"", "plain", "L\xc3\xb3pez", "\xe2\x82\xac", "\xf0\x9f\x8d\x8e", "\xc2\xa0",
                             "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf", "\xe0\xa0\x80"})
        EXPECT_TRUE(is_printable(good)) << good;
    for (const auto* bad :
         {"\n", "\x1b[2J", "\x7f", "\x80", "\xff", "\xc3", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80",
          "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\xc2\x9b", "\xf0\x8f\xbf\xbf"})
        EXPECT_FALSE(is_printable(bad)) << testing::PrintToString(std::string{bad});
}

TEST(Sentences, AreWholeForEveryReason) {
    for (std::size_t i = 0; i < reason_count; ++i) {
        const auto made = sentence({.reason = static_cast<Reason>(i), .text = "text", .other = "other"});
        EXPECT_GT(made.view().size(), 20U);
        EXPECT_EQ(made.view().find('%'), std::string_view::npos) << made.view();
        EXPECT_STREQ(made.c_str(), std::string{made.view()}.c_str());
    }
}

TEST(Sentences, TellNumbersInFull) {
    EXPECT_EQ(
        sentence({.reason = Reason::parameter_count, .found = ~0ULL, .most = 0, .text = "parameters"}).view(),
        "the policy declares 18446744073709551615 parameters; the most are 0");
    EXPECT_EQ(sentence({.reason = Reason::writable_code, .found = ~0ULL}).view(),
              "the segment at 0xffffffffffffffff is both writable and executable");
}

TEST(Sentences, SurviveHostileTexts) {
    const std::string hostile(500, '\x1b');
    const auto made = sentence({.reason = Reason::bad_name, .text = hostile, .other = hostile});
    EXPECT_EQ(made.view().find('\x1b'), std::string_view::npos);
    Sentence long_one;
    long_one.add(hostile);
    EXPECT_EQ(long_one.view().size(), std::string{long_one.c_str()}.size());
}

} // namespace
} // namespace bulkhead::plugin
