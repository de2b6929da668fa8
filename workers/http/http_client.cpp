// libcurl's easy interface behind values.
#include "workers/http/http_client.hpp"

#include "base/assert.hpp"
#include "base/percent.hpp"
#include "base/printable.hpp"
#include "workers/handler.hpp"
#include "workers/http/curl_handle.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace baton::workers::http {

namespace {

// A longer wait is a clock that is wrong somewhere.
constexpr Duration retry_after_max = std::chrono::hours(24);

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

// A connection on which anything went wrong might still deliver an answer, to a question that nobody
// asks any more: it goes, and all others of this thread with it.
std::unique_ptr<CURL, HandleFree>& handle_of_this_thread() {
    thread_local std::unique_ptr<CURL, HandleFree> handle;
    return handle;
}

// libcurl sends a request again, by itself, when a connection that it kept breaks before the answer.
// Reading twice is harmless. A request that changes something goes over a connection of its own, so
// that one call is at most one effect.
void keep_to_one_effect(CURL* curl, std::string_view method) {
    if (method == "GET" || method == "HEAD") return;
    curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
}

// Statuses after which the request may nevertheless have been carried out: somebody between gave up
// waiting, or the target broke while it worked.
bool is_doubtful(int status) { return status == 408 || status >= 500; }

void read_answer(CURL* curl, Response& response) {
    long status = 0;
    const char* content_type = nullptr;
    const char* location = nullptr;
    curl_off_t wait_seconds = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &content_type);
    curl_easy_getinfo(curl, CURLINFO_REDIRECT_URL, &location);
    // Seconds, whichever of the two forms of RFC 9110 §10.2.3 the header had.
    curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &wait_seconds);
    response.status = static_cast<int>(status);
    if (content_type) response.content_type = content_type;
    if (location) response.location = location;
    if (wait_seconds > 0)
        response.retry_after =
            std::min<Duration>(std::chrono::seconds(std::min<curl_off_t>(wait_seconds, 1 << 30)), retry_after_max);
    response.may_have_happened = is_doubtful(response.status);
}

// The beginning of a body, for people; what is no text is shown as escapes.
std::string beginning_of(const std::string& body) {
    constexpr std::size_t shown_bytes = 60;
    if (body.empty()) return "nothing";
    const std::string text = printable(std::string_view(body).substr(0, shown_bytes));
    return fmt::format("'{}{}'", text, body.size() > shown_bytes ? "…" : "");
}

Trouble trouble_of(CURLcode code, bool overflowed) {
    if (overflowed) return Trouble::too_large;
    // The curl codes are many; what is not named here broke the connection somewhere.
    if (code == CURLE_OK) return Trouble::none;
    if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
        code == CURLE_COULDNT_RESOLVE_PROXY)
        return Trouble::unreachable;
    if (code == CURLE_OPERATION_TIMEDOUT) return Trouble::timed_out;
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE) return Trouble::mistrusted;
    if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL) return Trouble::impossible;
    return Trouble::broken;
}

} // namespace

CURL* fresh_handle() {
    static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
    BATON_ASSERT(initialised == CURLE_OK, "libcurl does not start");
    auto& handle = handle_of_this_thread();
    if (!handle) handle.reset(curl_easy_init());
    BATON_ASSERT(handle != nullptr, "no memory for a libcurl handle");
    curl_easy_reset(handle.get());
    curl_easy_setopt(handle.get(), CURLOPT_NOSIGNAL, 1L);
    // While a name server is silent, the thread that asks it is not waited for.
    curl_easy_setopt(handle.get(), CURLOPT_QUICK_EXIT, 1L);
    return handle.get();
}

void drop_handle() { handle_of_this_thread().reset(); }

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
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    keep_to_one_effect(curl, request.method);
    if (!limits.ca_file.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, limits.ca_file.c_str());
    if (request.method != "GET") {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                         static_cast<curl_off_t>(request.body.size()));
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.body.c_str());
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    }
    const CURLcode code = curl_easy_perform(curl);
    long sent_bytes = 0;
    curl_easy_getinfo(curl, CURLINFO_REQUEST_SIZE, &sent_bytes);
    response.trouble = trouble_of(code, receiver.overflowed);
    // What was sent was possible; the answer was no HTTP.
    if (response.trouble == Trouble::impossible && sent_bytes > 0) response.trouble = Trouble::broken;
    if (response.trouble == Trouble::none) {
        read_answer(curl, response);
        curl_header* header = nullptr;
        if (!request.wanted_header.empty() &&
            curl_easy_header(curl, request.wanted_header.c_str(), 0, CURLH_HEADER, -1, &header) == CURLHE_OK)
            response.wanted_header = header->value;
        // The buffer is this frame's; the handle lives on.
        curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, nullptr);
    } else {
        response.detail = error_text[0] != '\0' ? error_text : curl_easy_strerror(code);
        response.may_have_happened = sent_bytes > 0;
        drop_handle();
    }
    return response;
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return out;
}

std::string form_encoded(const std::vector<std::pair<std::string, std::string>>& fields) {
    std::string out;
    for (const auto& [name, value] : fields) {
        if (!out.empty()) out += '&';
        out += percent_encoded(name) + '=' + percent_encoded(value);
    }
    return out;
}

contract::Problem not_the_api(std::string_view system, const Response& response) {
    std::string detail = fmt::format("{} answered {} with {} ({}) instead of JSON", system, response.status,
                                     beginning_of(response.body),
                                     response.content_type.empty() ? "no content type" : response.content_type);
    // A page for people: a log-in, a portal, somebody else's server. It says nothing of the task.
    if (lower(response.content_type).starts_with("text/html"))
        return configuration("not_the_api", detail + ": is the URL the API's, and does nothing in front of it "
                                                     "ask for a log-in?");
    return temporary("bad_answer", std::move(detail));
}

namespace {

contract::Problem with_status(contract::Problem problem, const Response& response) {
    problem.status = response.status;
    return problem;
}

contract::Problem problem_of_trouble(const Response& response, const std::string& detail) {
    switch (response.trouble) {
    case Trouble::none:
    case Trouble::unreachable:
    case Trouble::broken:
        break;
    case Trouble::timed_out:
        return temporary("timeout", detail);
    case Trouble::mistrusted:
    case Trouble::impossible:
        return configuration(response.trouble == Trouble::mistrusted ? "tls" : "configuration", detail);
    case Trouble::too_large:
        return temporary("bad_answer", detail);
    }
    return temporary("unavailable", detail);
}

} // namespace

std::optional<contract::Problem> common_problem(std::string_view system, const Response& response) {
    const auto say = [&](std::string_view what) { return fmt::format("{}: {}", system, what); };
    if (response.trouble == Trouble::too_large)
        return problem_of_trouble(response, say("the answer is larger than a worker reads"));
    if (response.trouble != Trouble::none) return problem_of_trouble(response, say(response.detail));
    const int status = response.status;
    if (status >= 300 && status < 400) {
        const std::string where = response.location.empty() ? "nowhere" : printable(response.location.substr(0, 200));
        return with_status(
            configuration("redirected", say(fmt::format("redirects ({}) to {}; a worker does not follow, since the "
                                                        "key would go there too: set the URL to where it answers",
                                                        status, where))),
            response);
    }
    if (status == 429)
        return with_status(not_now("rate_limited", say("too many calls (429)"), response.retry_after), response);
    const std::string what = say(fmt::format("status {}", status));
    if (status == 503 && response.retry_after)
        return with_status(not_now("unavailable", what, response.retry_after), response);
    if (status == 408) return with_status(temporary("timeout", what), response);
    if (status == 425 || (status >= 502 && status <= 504))
        return with_status(temporary("unavailable", what, response.retry_after), response);
    return std::nullopt;
}

} // namespace baton::workers::http
