// See readme_table.hpp.
#include "readme_table.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace baton::workers::test {

std::string in_words(const contract::Problem& problem) {
    std::string how = problem.retryable ? "again" : "for good";
    if (!problem.is_attempt) how = "no attempt";
    // What the tests' targets ask for.
    if (!problem.is_attempt && problem.retry_after == std::chrono::seconds(7)) how += ", waits as told";
    return fmt::format("`{}`, {}", problem.type, how);
}

std::map<std::string, std::string> of_type(std::string type) { return {{"Content-Type", std::move(type)}}; }

void expect_table(const std::string& worker, const std::string& name, const std::string& table) {
    const std::string readme = std::string(BATON_SOURCE_DIR) + "/workers/" + worker + "/README.md";
    const std::string table_end = fmt::format("<!-- end of {} -->\n", name);
    std::ifstream in(readme);
    std::stringstream text;
    text << in.rdbuf();
    const std::string now = text.str();
    const std::size_t begin = now.find(fmt::format("<!-- {}: ", name));
    const std::size_t end = now.find(table_end);
    ASSERT_TRUE(begin != std::string::npos && end != std::string::npos) << readme << " has no place for " << name;
    const std::size_t from = now.find('\n', begin) + 1;
    if (std::getenv("BATON_UPDATE_TABLES")) {
        std::ofstream(readme) << now.substr(0, from) << table << now.substr(end);
        return;
    }
    EXPECT_EQ(now.substr(from, end - from), table) << "BATON_UPDATE_TABLES=1 writes it anew";
}

} // namespace baton::workers::test
