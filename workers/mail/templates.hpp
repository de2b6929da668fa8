// Templates of letters: NAME.txt, first line "Subject: …", and beside it perhaps NAME.html. Each {{field}} of
// them is a field that a letter must fill in, and no other field is taken.
#pragma once

#include "base/result.hpp"

#include <boost/json/object.hpp>

#include <functional>
#include <set>
#include <string>
#include <string_view>

namespace baton::workers::mail {

struct Template {
    std::string subject;
    std::string text;
    std::string html;                 // empty: there is none

    std::set<std::string, std::less<>> fields() const;
    // With all fields in place; what goes into HTML is escaped.
    Template filled(const boost::json::object& fields) const;
};

// Pure.
Template template_of(std::string_view text, std::string_view html);

// The failure names the template, the folder and what there is instead.
Outcome<Template> read_template(const std::string& folder, const std::string& name);

} // namespace baton::workers::mail
