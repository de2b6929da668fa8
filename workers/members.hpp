// Reads a table of a workers' file member by member and gathers what is wrong with it.
#pragma once

#include <boost/json/value.hpp>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace baton::workers {

class Members {
public:
    // `where` is said with every complaint ("program 2"); complaints are appended, a line each. Both
    // arguments must outlive this.
    Members(const boost::json::value& table, std::string where, std::string& complaints);

    std::string text(std::string_view name);
    std::vector<std::string> texts(std::string_view name);
    std::map<std::string, std::string> text_table(std::string_view name);
    std::int64_t number(std::string_view name, std::int64_t low, std::int64_t high, std::int64_t otherwise);
    bool flag(std::string_view name, bool otherwise);
    // Whatever it is; null if it is not there.
    const boost::json::value* any(std::string_view name);
    // Complains about members that nobody asked for.
    void finish();
    void complain(std::string_view what);

private:
    const boost::json::value& table_;
    std::string where_;
    std::string& complaints_;
    std::set<std::string, std::less<>> asked_;
};

} // namespace baton::workers
