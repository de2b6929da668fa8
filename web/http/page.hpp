// The page for browsers: which of its files answers a path, and with which headers. All paths of
// the page's own router are answered with index.html, everything below /assets/ with a file whose
// name has its hash, which browsers keep for ever. Files come from the executable (ui/files.hpp),
// gzipped as they are sent, or, while the page is worked on, from a folder. No log-in: there is
// nothing secret in it, and it asks the API as whoever signs in. Any thread.
#pragma once

#include "web/http/http_server.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace baton::web {

class Page {
public:
    // Empty: the executable's own files.
    explicit Page(std::string folder = {}) : folder_(std::move(folder)) {}

    // Nothing: the path is none of the page's.
    std::optional<Response> answer(const Request& request) const;

private:
    std::optional<std::string> gzip_of(std::string_view path) const;
    std::optional<std::string> plain_in_folder(std::string_view path) const;

    std::string folder_;
};

// Is it a path of the page's router? "/", "/runs/01a2", "/broker/queues".
bool is_page_path(std::string_view path);

// What a gzip file holds, for clients that cannot read one; nothing: it is none.
std::optional<std::string> unpacked(std::string_view gzip);

} // namespace baton::web
