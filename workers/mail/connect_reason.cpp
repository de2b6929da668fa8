// libpq, asked to write its refusals as codes. Their texts are in the server's language.
#include "workers/mail/connect_reason.hpp"

#include <libpq-fe.h>

#include <poll.h>

#include <algorithm>
#include <cctype>
#include <memory>

namespace baton::workers::mail {

namespace {

constexpr int wait_ms_max = 5000;
constexpr std::size_t state_length = 5;

struct Finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
};

// The last word of five signs: "FATAL:  28P01".
std::string state_in(std::string text) {
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) text.pop_back();
    const std::size_t begin = text.find_last_of(" \n\t");
    const std::string word = begin == std::string::npos ? text : text.substr(begin + 1);
    const bool is_state = word.size() == state_length && std::all_of(word.begin(), word.end(), [](unsigned char c) {
        return std::isdigit(c) != 0 || (c >= 'A' && c <= 'Z');
    });
    return is_state ? word : std::string{};
}

} // namespace

std::string with_limits(const std::string& url) {
    if (url.find("://") == std::string::npos) return url + " connect_timeout=5 application_name=baton-worker";
    return url + (url.find('?') == std::string::npos ? "?" : "&") + "connect_timeout=5&application_name=baton-worker";
}

std::string connect_reason(const std::string& url) {
    const std::unique_ptr<PGconn, Finish> connection(PQconnectStart(url.c_str()));
    if (!connection || PQstatus(connection.get()) == CONNECTION_BAD) return {};
    PQsetErrorVerbosity(connection.get(), PQERRORS_SQLSTATE);
    PostgresPollingStatusType step = PGRES_POLLING_WRITING;
    while (step == PGRES_POLLING_READING || step == PGRES_POLLING_WRITING) {
        pollfd socket{PQsocket(connection.get()), static_cast<short>(step == PGRES_POLLING_READING ? POLLIN : POLLOUT), 0};
        if (::poll(&socket, 1, wait_ms_max) <= 0) return {};
        step = PQconnectPoll(connection.get());
    }
    return step == PGRES_POLLING_FAILED ? state_in(PQerrorMessage(connection.get())) : std::string{};
}

} // namespace baton::workers::mail
