// Secrets on their way to workers: workflows say their names, histories hold their names, and the values are put into
// the message when it is published. What comes back is looked through for them. On the messaging's executor.
#pragma once

#include "orchestrator/core/command.hpp"

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

    // With every value that was ever handed out replaced by ***.
    std::string masked(std::string text) const;

private:
    std::string with_secrets(std::string_view text, std::string& missing);
    void remember(const std::string& value);

    SecretSource source_;
    std::set<std::string> values_; // that are long enough to be found again, also as they stand in JSON
};

} // namespace baton::orchestrator::messaging
