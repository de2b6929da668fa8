// What the tests of the workers share: a sandbox with settings that point at it, and a way to perform
// a task without a broker between.
#pragma once

#include "sandbox/sandbox.hpp"
#include "workers/settings.hpp"

#include <boost/json.hpp>

#include <gtest/gtest.h>

#include <string>

namespace baton::workers::test {

// Settings of workers that talk to this sandbox, with short time limits.
Settings settings_for(const sandbox::Sandbox& sandbox);

class WithSandbox : public testing::Test {
protected:
    WithSandbox();

    // POST to the sandbox's own pages: "/sandbox/faults", "/sandbox/seed".
    void tell(const std::string& page, const std::string& body);
    void fault(const std::string& body) { tell("/sandbox/faults", body); }
    boost::json::object state();
    // How many records a collection has.
    std::size_t count(const std::string& collection);

    // As the worker would perform it. `identity` is the idempotency key; empty for a plain call.
    Answer perform(const std::string& task, const std::string& with, const std::string& identity = {});

    sandbox::Sandbox sandbox_;
    Settings settings_;
    int attempt_ = 1;
    std::string run_;                            // the step is "step"; empty: a plain call
    int max_attempts_ = 5;
    bool is_cancelled_ = false;
};

} // namespace baton::workers::test
