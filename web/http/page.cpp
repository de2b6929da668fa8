#include "web/http/page.hpp"

#include "base/crc32c.hpp"
#include "ui/files.hpp"
#include "web/http/replies.hpp"

#include <boost/beast/zlib/error.hpp>
#include <boost/beast/zlib/inflate_stream.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <utility>

namespace baton::web {
namespace {

constexpr std::string_view index_path = "/index.html";
constexpr std::string_view assets = "/assets/";

// Scripts, styles and requests are the page's own and nothing else is loaded; 'unsafe-inline' of
// styles is what CodeMirror and positions in drawings need. No other site frames it.
constexpr const char* content_policy =
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' "
    "data:; connect-src 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self'";

// The first parts of the router's paths, ui/src/pages.tsx.
constexpr std::array<std::string_view, 13> page_roots{
    "runs",      "workflows", "edit",       "dead",   "tasks", "workers", "approvals",
    "schedules", "waits",     "operations", "broker", "admin", "views"};

constexpr std::array<std::pair<std::string_view, const char*>, 8> types{
    {{".html", "text/html; charset=utf-8"},
     {".js", "text/javascript; charset=utf-8"},
     {".css", "text/css; charset=utf-8"},
     {".svg", "image/svg+xml"},
     {".json", "application/json"},
     {".png", "image/png"},
     {".woff2", "font/woff2"},
     {".txt", "text/plain; charset=utf-8"}}};

const char* type_of(std::string_view path) {
    for (const auto& [ending, type] : types)
        if (path.ends_with(ending)) return type;
    return "application/octet-stream";
}

std::optional<std::string> content_of(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) return std::nullopt;
    return std::string(std::istreambuf_iterator<char>(in), {});
}

void put_headers(Response& response, std::string_view path) {
    response.content_type = type_of(path);
    response.headers["Cache-Control"] =
        path.starts_with(assets) ? "public, max-age=31536000, immutable" : "no-cache";
    response.headers["X-Content-Type-Options"] = "nosniff";
    response.headers["Vary"] = "Accept-Encoding";
    if (path != index_path) return;
    response.headers["Content-Security-Policy"] = content_policy;
    response.headers["Referrer-Policy"] = "same-origin";
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin";
}

} // namespace

bool is_page_path(std::string_view path) {
    if (path == "/" || path.empty()) return true;
    path.remove_prefix(1);
    const auto root = path.substr(0, path.find('/'));
    return std::ranges::find(page_roots, root) != page_roots.end();
}

std::optional<std::string> unpacked(std::string_view gzip) {
    namespace zlib = boost::beast::zlib;
    // A head of ten bytes without optional parts, as ours are, and a tail of eight: checksum and
    // length.
    constexpr std::size_t head = 10, tail = 8;
    if (gzip.size() < head + tail || !gzip.starts_with("\x1f\x8b\x08") || gzip[3] != 0)
        return std::nullopt;
    std::string plain;
    std::array<char, 16 * 1024> room;
    zlib::inflate_stream stream;
    zlib::z_params params;
    params.next_in = gzip.data() + head;
    // With the tail: where the last block ends inside the last byte, Beast's stream asks for more
    // before it says so.
    params.avail_in = gzip.size() - head;
    boost::system::error_code error;
    while (!error) {
        params.next_out = room.data();
        params.avail_out = room.size();
        stream.write(params, zlib::Flush::sync, error);
        plain.append(room.data(), room.size() - params.avail_out);
    }
    if (error != zlib::error::end_of_stream || params.avail_in != tail) return std::nullopt;
    return plain;
}

std::optional<std::string> Page::gzip_of(std::string_view path) const {
    if (!folder_.empty()) return content_of(fmt::format("{}{}.gz", folder_, path));
    const auto all = ui::files();
    const auto found = std::ranges::find(all, path, &ui::File::path);
    if (found == all.end()) return std::nullopt;
    return std::string(found->gzip);
}

std::optional<std::string> Page::plain_in_folder(std::string_view path) const {
    if (folder_.empty()) return std::nullopt;
    return content_of(folder_ + std::string(path));
}

std::optional<Response> Page::answer(const Request& request) const {
    const bool is_asset =
        request.path.starts_with(assets) && request.path.find("..") == std::string::npos;
    if (!is_asset && !is_page_path(request.path)) return std::nullopt;
    if (request.method != "GET" && request.method != "HEAD")
        return problem(405, "method_not_allowed", request.method + " is not possible here");
    const std::string_view path = is_asset ? std::string_view(request.path) : index_path;
    Response response;
    auto plain = plain_in_folder(path);
    auto packed = plain ? std::nullopt : gzip_of(path);
    if (!plain && !packed) return problem(404, "not_found", "nothing lives at " + request.path);
    put_headers(response, path);
    if (packed && request.accepts_gzip)
        response.headers["Content-Encoding"] = "gzip";
    else if (packed)
        plain = unpacked(*packed);
    response.body = plain ? std::move(*plain) : std::move(*packed);
    const auto tag =
        fmt::format("\"{:08x}-{:x}\"", crc32c(as_bytes(response.body)), response.body.size());
    response.headers["ETag"] = tag;
    if (request.if_none_match != tag) return response;
    response.status = 304;
    response.body.clear();
    response.headers.erase("Content-Encoding");
    return response;
}

} // namespace baton::web
