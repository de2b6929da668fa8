// Parameters that a workflow file gives to a task, against the JSON Schema that a worker announced for it. The schema may
// be anybody's: what is not understood here is not complained about. Only what cannot be right is: an unknown name, a
// missing one, a literal of another type. Pure.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace baton::workers {

struct Given {
    std::string name;
    // As the file has it; texts with ${…} in them are what an expression decides.
    boost::json::value value;
};

struct Complaint {
    std::string parameter;            // empty: about the whole
    std::string message;              // "mail.create has no parameter 'adress'"
    std::string hint;                 // "did you mean 'address'?", possibly empty
};

std::vector<Complaint> complaints_about(std::string_view task, const boost::json::object& schema, const std::vector<Given>& given);

} // namespace baton::workers
