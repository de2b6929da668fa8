// Files that the parameters of a task bring with them: each a table of `name`, `type` and one of `content_base64` (or
// `content`, the same) and `text`. Pure.
#pragma once

#include "workers/handler.hpp"

#include <boost/json/object.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace baton::workers {

// A task's parameters go through the broker and stay in a run's history; and most mail servers take 10 to 25 MB, of which
// base64 takes a third.
inline constexpr std::size_t attachments_bytes_max = 7 * 1024 * 1024;

struct Attachment {
    std::string name;
    std::string type;                 // "application/pdf"
    std::string content;
};

// The list `attachments`; an empty one if there is none. Complaints name what is wrong.
std::vector<Attachment> attachments_in(Parameters& parameters, const boost::json::object& with);

} // namespace baton::workers
