// libcurl's easy interface behind values.
#include "workers/http/http_client.hpp"

#include "base/assert.hpp"
#include "workers/handler.hpp"
#include "workers/http/curl_handle.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>

namespace baton::workers::http {

namespace {

struct HandleFree {
    void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};

struct Receiver {
    Response& response;
    std::size_t body_bytes_max;
    bool overflowed = false;
};

std::size_t take_body(char* data, std::size_t size, std::size_t count, void* into) {
    auto& receiver = *static_cast<Receiver*>(into);
    const std::size_t bytes = size * count;
    if (receiver.response.body.size() + bytes > receiver.body_bytes_max) {
        receiver.overflowed = true;
        return 0;
    }
    receiver.response.body.append(data, bytes);
    return bytes;
}

std::size_t take_header(char* data, std::size_t size, std::size_t count, void* into) {
    auto& response = static_cast<Receiver*>(into)->response;
    std::string line(data, size * count);
    constexpr std::string_view wanted = "retry-after:";
    for (std::size_t i = 0; i < std::min(line.size(), wanted.size()); ++i)
        line[i] = static_cast<char>(std::tolower(static_cast<unsigned char>(line[i])));
    if (line.starts_with(wanted)) {
        std::string_view digits = std::string_view(line).substr(wanted.size());
        while (digits.starts_with(' ')) digits.remove_prefix(1);
        int seconds = 0;
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), seconds);
        static_cast<void>(end);
        // The other form is a date; the orchestrator's own back-off is good enough for it.
        if (error == std::errc{} && seconds >= 0) response.retry_after = std::chrono::seconds(seconds);
    }
    return size * count;
}

Trouble trouble_of(CURLcode code, bool overflowed) {
    if (overflowed) return Trouble::too_large;
    // The curl codes are many; what is not named here broke the connection somewhere.
    if (code == CURLE_OK) return Trouble::none;
    if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
        code == CURLE_COULDNT_RESOLVE_PROXY)
        return Trouble::unreachable;
    if (code == CURLE_OPERATION_TIMEDOUT) return Trouble::timed_out;
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CONNECT_ERROR ||
        code == CURLE_SSL_CACERT_BADFILE)
        return Trouble::mistrusted;
    if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL) return Trouble::impossible;
    return Trouble::broken;
}

} // namespace

CURL* fresh_handle() {
    static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
    BATON_ASSERT(initialised == CURLE_OK, "libcurl does not start");
    thread_local const std::unique_ptr<CURL, HandleFree> handle(curl_easy_init());
    BATON_ASSERT(handle != nullptr, "no memory for a libcurl handle");
    curl_easy_reset(handle.get());
    curl_easy_setopt(handle.get(), CURLOPT_NOSIGNAL, 1L);
    return handle.get();
}

void append(List& list, const char* line) {
    curl_slist* longer = curl_slist_append(list.get(), line);
    BATON_ASSERT(longer != nullptr, "no memory for a libcurl list");
    static_cast<void>(list.release());
    list.reset(longer);
}

Response perform(const Request& request, const Limits& limits) {
    Response response;
    Receiver receiver{response, limits.body_bytes_max};
    CURL* curl = fresh_handle();
    const auto millis = [](Duration span) {
        return static_cast<long>(std::chrono::ceil<std::chrono::milliseconds>(span).count());
    };
    List headers;
    // libcurl would wait a second for "100 Continue" before a body.
    append(headers, "Expect:");
    for (const auto& [name, value] : request.headers)
        append(headers, fmt::format("{}: {}", name, value).c_str());
    char error_text[CURL_ERROR_SIZE] = "";
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error_text);
    curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "baton");
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, millis(limits.connect));
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, millis(limits.total));
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &receiver);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &receiver);
    if (!limits.ca_file.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, limits.ca_file.c_str());
    if (request.method != "GET") {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                         static_cast<curl_off_t>(request.body.size()));
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.body.c_str());
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    }
    const CURLcode code = curl_easy_perform(curl);
    long status = 0;
    long sent_bytes = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(curl, CURLINFO_REQUEST_SIZE, &sent_bytes);
    response.trouble = trouble_of(code, receiver.overflowed);
    if (response.trouble == Trouble::none) {
        response.status = static_cast<int>(status);
    } else {
        response.detail = error_text[0] != '\0' ? error_text : curl_easy_strerror(code);
        response.may_have_happened = sent_bytes > 0;
    }
    // The buffer is this frame's; the handle lives on.
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, nullptr);
    return response;
}

std::string path_encoded(std::string_view segment) {
    std::string out;
    for (const char c : segment) {
        if (std::isalnum(static_cast<unsigned char>(c)) != 0 ||
            std::string_view("-._~").find(c) != std::string_view::npos)
            out += c;
        else
            out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return out;
}

std::string form_encoded(const std::vector<std::pair<std::string, std::string>>& fields) {
    std::string out;
    for (const auto& [name, value] : fields) {
        if (!out.empty()) out += '&';
        out += path_encoded(name) + '=' + path_encoded(value);
    }
    return out;
}

std::optional<contract::Problem> common_problem(std::string_view system, const Response& response) {
    const auto say = [&](std::string_view what) { return fmt::format("{}: {}", system, what); };
    switch (response.trouble) {
    case Trouble::none:
        break;
    case Trouble::unreachable:
    case Trouble::broken:
        return temporary("unavailable", say(response.detail));
    case Trouble::timed_out:
        return temporary("timeout", say(response.detail));
    case Trouble::mistrusted:
        return temporary("tls", say(response.detail), std::chrono::seconds(60));
    case Trouble::too_large:
        return temporary("bad_answer", say("the answer is larger than a worker reads"));
    case Trouble::impossible:
        return configuration("configuration", say(response.detail));
    }
    if (response.status == 429) {
        contract::Problem problem = temporary("rate_limited", say("too many calls (429)"),
                                              response.retry_after);
        problem.status = 429;
        return problem;
    }
    if (response.status == 502 || response.status == 503 || response.status == 504) {
        contract::Problem problem = temporary(
            "unavailable", say(fmt::format("status {}", response.status)), response.retry_after);
        problem.status = response.status;
        return problem;
    }
    return std::nullopt;
}

} // namespace baton::workers::http
