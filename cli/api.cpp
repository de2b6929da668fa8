#include "cli/api.hpp"

#include "base/json_text.hpp"
#include "base/named_file.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include <memory>
#include <string_view>

namespace baton::cli {
namespace {

std::string variable(const server::Environment& environment, const char* name, const char* otherwise) {
    const auto found = environment.find(name);
    return found == environment.end() ? otherwise : found->second;
}

std::size_t append_body(char* data, std::size_t size, std::size_t count, void* target) {
    static_cast<std::string*>(target)->append(data, size * count);
    return size * count;
}

struct ListDeleter {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

// Called by libcurl about once a second: a value other than 0 gives the request up.
int ask_whether_interrupted(void* api, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    const auto& is_interrupted = static_cast<Api*>(api)->is_interrupted;
    return is_interrupted && is_interrupted() ? 1 : 0;
}

// Does whoever listens there speak TLS? Sends nothing but the beginning of a handshake.
bool speaks_tls(const std::string& url) {
    const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> asking(curl_easy_init(), curl_easy_cleanup);
    if (!asking) return false;
    const std::string target = "https" + url.substr(url.find(':'));
    curl_easy_setopt(asking.get(), CURLOPT_URL, target.c_str());
    curl_easy_setopt(asking.get(), CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(asking.get(), CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(asking.get(), CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(asking.get(), CURLOPT_TIMEOUT, 5L);
    curl_easy_setopt(asking.get(), CURLOPT_NOSIGNAL, 1L);
    return curl_easy_perform(asking.get()) == CURLE_OK;
}

// Somebody listens and speaks something else; empty: that is not what happened.
std::string other_protocol(CURLcode code, const std::string& url, std::string_view said) {
    if (code == CURLE_SSL_CONNECT_ERROR && said.find("wrong version number") != std::string_view::npos)
        return fmt::format("{} speaks no TLS: BATON_URL must begin with http:// there, or name the port of HTTPS", url);
    const bool is_garbage = code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_GOT_NOTHING || code == CURLE_RECV_ERROR ||
                            code == CURLE_WEIRD_SERVER_REPLY;
    if (!is_garbage || !url.starts_with("http://")) return {};
    if (speaks_tls(url))
        return fmt::format("{} speaks HTTPS: BATON_URL must begin with https:// there, and --ca or BATON_CA_FILE may have to name "
                           "the authority of its certificate",
                           url);
    if (code != CURLE_UNSUPPORTED_PROTOCOL && code != CURLE_WEIRD_SERVER_REPLY) return {};
    return fmt::format("{} answers, but not in HTTP; BATON_URL must name the port of HTTP (15672), not that of AMQP (5672)", url);
}

} // namespace

std::string Answer::reason() const {
    if (const auto* object = body.if_object()) {
        for (const char* key : {"detail", "reason", "error"})
            if (const auto* text = object->if_contains(key); text != nullptr && text->is_string())
                return std::string(text->as_string());
    }
    if (status == 401) return "the server refused user and password; set BATON_USER and BATON_PASSWORD";
    return fmt::format("the server answered with HTTP status {}", status);
}

Api::Api(const server::Environment& environment)
    : url_(variable(environment, "BATON_URL", "http://127.0.0.1:15672")),
      user_(variable(environment, "BATON_USER", "guest")),
      password_(variable(environment, "BATON_PASSWORD", "guest")),
      authorities_(variable(environment, "BATON_CA_FILE", "")) {
    while (!url_.empty() && url_.back() == '/') url_.pop_back();
    if (!authorities_.empty()) {
        const auto text = read_named_file(authorities_, named_file_bytes_max);
        const char* const name = "--ca (BATON_CA_FILE)";
        if (!text)
            problem_ = fmt::format("{} names '{}', which cannot be read: {}", name, authorities_, text.error().detail);
        else if (text->find("-----BEGIN ") == std::string::npos)
            problem_ = fmt::format("{} names '{}', which holds no certificate in PEM", name, authorities_);
    }
    if (const auto file = environment.find("BATON_PASSWORD_FILE"); file != environment.end()) {
        const auto text = read_named_file(file->second, settings_file_bytes_max);
        password_ = text ? text->substr(0, text->find('\n')) : std::string();
        if (!text)
            problem_ = fmt::format("BATON_PASSWORD_FILE names '{}', which cannot be read: {}", file->second, text.error().detail);
        else if (text->empty())
            problem_ = fmt::format("BATON_PASSWORD_FILE names '{}', which holds no line that can be read", file->second);
    }
}

Outcome<Answer> Api::get(const std::string& path, std::chrono::seconds limit) {
    return send("GET", path, nullptr, limit);
}

Outcome<Answer> Api::post(const std::string& path, const boost::json::value& body,
                          std::chrono::seconds limit) {
    return post_text(path, write_json(body), limit);
}

Outcome<Answer> Api::post_text(const std::string& path, const std::string& body, std::chrono::seconds limit) {
    return send("POST", path, &body, limit);
}

Outcome<Answer> Api::put(const std::string& path, const boost::json::value& body) {
    const std::string text = write_json(body);
    return send("PUT", path, &text, std::chrono::seconds{60});
}

Outcome<Answer> Api::remove(const std::string& path, const std::string& reason) {
    return send("DELETE", path, nullptr, std::chrono::seconds{60}, reason);
}

Outcome<Answer> Api::send(const char* method, const std::string& path, const std::string* body,
                          std::chrono::seconds limit, const std::string& reason) {
    if (!problem_.empty())
        return Failure{make_error_code(boost::system::errc::invalid_argument), problem_};
    static const bool initialised = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    // Kept between requests, and with it the connection.
    if (!handle_ && initialised) handle_.reset(curl_easy_init(), curl_easy_cleanup);
    if (!handle_) return Failure{make_error_code(boost::system::errc::not_enough_memory), "libcurl does not start"};
    std::string received;
    std::unique_ptr<curl_slist, ListDeleter> headers(
        curl_slist_append(nullptr, "Content-Type: application/json"));
    // A header is one line.
    if (!reason.empty() && reason.find_first_of("\r\n") == std::string::npos)
        headers.reset(curl_slist_append(headers.release(), ("X-Reason: " + reason).c_str()));
    const std::string target = url_ + path;
    CURL* curl = handle_.get();
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, target.c_str());
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    if (!authorities_.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, authorities_.c_str());
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(curl, CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BASIC));
    curl_easy_setopt(curl, CURLOPT_USERNAME, user_.c_str());
    curl_easy_setopt(curl, CURLOPT_PASSWORD, password_.c_str());
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 5L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, static_cast<long>(limit.count()));
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, ask_whether_interrupted);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, this);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, append_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &received);
    char error_text[CURL_ERROR_SIZE] = {};
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error_text);
    if (body != nullptr) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body->data());
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body->size()));
    }
    const CURLcode code = curl_easy_perform(curl);
    if (code == CURLE_SSL_CACERT_BADFILE)
        return Failure{make_error_code(boost::system::errc::invalid_argument),
                       fmt::format("--ca (BATON_CA_FILE) names '{}', which cannot be used: {}", authorities_, curl_easy_strerror(code))};
    if (code == CURLE_PEER_FAILED_VERIFICATION)
        return Failure{make_error_code(boost::system::errc::host_unreachable),
                       fmt::format("{} shows a certificate that is not trusted: {}. --ca FILE or BATON_CA_FILE names the "
                                   "certificate of the authority that signed it, and BATON_URL must have the name that "
                                   "stands in it.",
                                   url_, error_text[0] != '\0' ? error_text : curl_easy_strerror(code))};
    if (const auto other = other_protocol(code, url_, error_text); !other.empty())
        return Failure{make_error_code(boost::system::errc::host_unreachable), other};
    if (code != CURLE_OK)
        return Failure{make_error_code(boost::system::errc::host_unreachable),
                       fmt::format("no answer from {}: {}. Is a server running (baton serve, baton dev)? "
                                   "BATON_URL chooses another one.",
                                   url_, curl_easy_strerror(code))};
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    Answer answer{static_cast<unsigned>(status), nullptr};
    if (received.empty()) return answer;
    auto read = read_json(received, json_of_our_own);
    if (!read)
        return Failure{make_error_code(boost::system::errc::protocol_error), fmt::format("{} answered with something that is not JSON; is it Baton?", url_)};
    answer.body = std::move(*read);
    return answer;
}

} // namespace baton::cli
