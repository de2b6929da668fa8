// A JSON Schema (draft 7) that values are checked against. valijson checks; its types stay in the
// one source file that compiles it. Values may be shared between threads once read.
#pragma once

#include "base/result.hpp"

#include <boost/json/value.hpp>

#include <memory>
#include <optional>
#include <string>

namespace baton {

class JsonSchema {
public:
    // Refuses what is no schema, refers to other documents, or holds a regular expression: those of
    // the library recurse once a character, and what is checked comes from outside.
    static Outcome<JsonSchema> read(const boost::json::value& schema);

    // Why the value does not fit: "at /users/0: Missing required property 'id'."; nothing if it
    // does.
    std::optional<std::string> mismatch(const boost::json::value& value) const;

private:
    struct Compiled;
    std::shared_ptr<const Compiled> compiled_;
};

} // namespace baton
