// Files that the parameters of a task bring with them: each a table of `name`, `type` and one of `content_base64` (or
// `content`, the same), `text` and `from`. What is `from` somewhere is fetched by a FetchFile; all else is pure.
#pragma once

#include "workers/handler.hpp"

#include <boost/json/object.hpp>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::workers {

// A task's parameters go through the broker and stay in a run's history; and most mail servers take 10 to 25 MB, of which
// base64 takes a third.
inline constexpr std::size_t attachments_bytes_max = 7 * 1024 * 1024;
// With those that are fetched, which only the worker sees.
inline constexpr std::size_t files_bytes_max = 20 * 1024 * 1024;

// A file below a target that the operator has named: `from = { target = "documents", path = "2026/17.pdf" }`.
struct FileSource {
    std::string target;
    std::string path;
};
struct FetchedFile {
    std::string content;
    std::string type;                 // as its server says; may be empty
};
// Blocks; any thread. Problems are of type file_not_found, file_too_large, file_unavailable (also a wrong key: that of
// the file's server is no reason to keep other tasks of the target waiting), and invalid_input.
using FetchFile = std::function<boost::system::result<FetchedFile, contract::Problem>(const FileSource& source, std::size_t bytes_max)>;

struct Attachment {
    std::string name;
    std::string type;                 // "application/pdf"
    std::string content;
    std::optional<FileSource> from = {}; // where the content is
};

// The list `attachments`; an empty one if there is none. Complaints name what is wrong.
std::vector<Attachment> attachments_in(Parameters& parameters, const boost::json::object& with);
// The table under `name`.
std::optional<FileSource> file_source_in(Parameters& parameters, const boost::json::object& with, std::string_view name);

// Gets what is somewhere else. Without `fetch` no target is known.
std::optional<contract::Problem> fetch_contents(std::vector<Attachment>& attachments, const FetchFile& fetch);
boost::system::result<FetchedFile, contract::Problem> fetch_file(const FileSource& source, const FetchFile& fetch,
                                                                std::size_t bytes_max = files_bytes_max);

} // namespace baton::workers
