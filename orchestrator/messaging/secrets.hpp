// Secrets on their way to workers: workflows say their names, histories hold their names, and the
// values are put into the message when it is published. What comes back is looked through for them.
// On the messaging's executor.
#pragma once

#include "orchestrator/core/command.hpp"
#include "orchestrator/core/document.hpp"

#include <boost/json/value.hpp>

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace baton::orchestrator::messaging {

// Where the values are.
struct SecretSource {
    // The value now; nothing: there is none of this name.
    std::function<std::optional<std::string>(const std::string& name)> find{};
    // All that there are when the server starts: a worker may quote what an earlier life gave it.
    std::function<std::vector<std::string>()> all{};
};

class Secrets {
public:
    explicit Secrets(SecretSource source);

    // What the worker is given, as JSON; or the name of a secret that is not there.
    struct Filled {
        std::string with;
        std::string missing;
    };
    Filled fill(const core::TaskOrder& order);

    // With every value that was ever handed out replaced by ***. Of JSON, texts and names are
    // looked at as they read, however they are escaped, and it stays JSON: a number that has the
    // same digits is left alone.
    std::string masked(std::string text) const;
    core::Document masked(core::Document document) const;

private:
    struct LongestFirst {
        bool operator()(const std::string& a, const std::string& b) const {
            return a.size() != b.size() ? a.size() > b.size() : a < b;
        }
    };

    std::string with_secrets(std::string_view text, std::string& missing);
    void remember(const std::string& value);
    bool holds_any(std::string_view text) const;
    bool may_hold_any(std::string_view json) const;
    // Whether anything was replaced.
    bool mask(std::string& text) const;
    bool mask(boost::json::value& value) const;

    SecretSource source_;
    // That are long enough to be found again, also as JSON inside a text has them. One may be the
    // beginning of another.
    std::set<std::string, LongestFirst> values_;
};

} // namespace baton::orchestrator::messaging
