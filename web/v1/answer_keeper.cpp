#include "web/v1/answer_keeper.hpp"

#include "base/clock.hpp"
#include "base/fail_point.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "base/utf8.hpp"
#include "orchestrator/core/fingerprint.hpp"
#include "web/http/members.hpp"
#include "web/http/replies.hpp"
#include "web/v1/problem.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

namespace baton::web {

namespace core = orchestrator::core;
namespace runtime = orchestrator::runtime;
using boost::asio::awaitable;

namespace {

// As long as clients try again; rows of more would only grow.
constexpr Duration kept_for = std::chrono::hours(24);
// Longer than any act lasts, calls of tasks apart, whose callers say how long they wait.
constexpr Duration act_patience = std::chrono::minutes(2);
constexpr std::size_t idempotency_key_bytes_max = 255;
// Acts answer in a few words; what a called task gives back may be anything.
constexpr std::size_t body_bytes_max = std::size_t{64} * 1024;
constexpr const char* repeated_header = "Idempotency-Replayed";

// The run keeps its key itself.
constexpr std::array<std::string_view, 2> starts{"/baton/v1/runs", "/api/runs"};
// What these make has the key, so a second time finds the first.
constexpr std::array<std::string_view, 5> found_again{
    "/baton/v1/runs/{run}/signal", "/api/runs/{run}/signal", "/baton/v1/operations", "/api/jobs",
    "/api/dead/jobs"};
constexpr std::array<std::string_view, 2> of_runs{"/baton/v1/runs/{run}/signal",
                                                  "/api/runs/{run}/signal"};
// Their answers are secrets, which nobody keeps.
constexpr std::array<std::string_view, 3> secret{"/baton/v1/session", "/baton/v1/tokens",
                                                 "/api/login"};

template <std::size_t Count>
bool is_in(const std::array<std::string_view, Count>& patterns, std::string_view pattern) {
    return std::ranges::find(patterns, pattern) != patterns.end();
}

// What makes two requests one: what is asked for, not what its asker had seen before.
std::string fingerprint_of(const Request& request) {
    std::string text = request.method + " " + request.path + "\n";
    for (const auto& [name, value] : request.query)
        text += fmt::format("{}={}\n", name, value);
    return core::to_hex(core::sha256(text + "\n" + request.body));
}

// Nothing was done, nor will it be: asked again it is looked at anew.
bool is_undone(unsigned status) {
    return status == 400 || status == 401 || status == 403 || status == 412 || status == 413 ||
           status == 415 || status == 429 || status == 503;
}

Response other_request() {
    return problem(422, "key_reused",
                   "this Idempotency-Key was sent with another request before; a key is for one "
                   "request, sent again as it was");
}

Response goes_on() {
    Response busy = problem(409, "key_in_use",
                            "the request with this Idempotency-Key is being carried out; ask again "
                            "in a moment, with the same key");
    busy.headers["Retry-After"] = "1";
    return busy;
}

Response nobody_knows(Time begun) {
    return problem(409, "key_undecided",
                   fmt::format("the request with this Idempotency-Key was begun at {}, and the "
                               "server ended before it had an answer: nobody knows whether it was "
                               "carried out, so it is not carried out again; look, and ask with "
                               "another key if it was not",
                               to_rfc3339(begun)));
}

} // namespace

AnswerKeeper::AnswerKeeper(StoreWriter* writer, bool is_shared)
    : writer_(writer), is_shared_(is_shared), life_(random_name(16)) {}

std::optional<Response> AnswerKeeper::refusal_of(const Request& request,
                                                 const Routes::Match& match) const {
    if (request.idempotency_key.empty() || request.method != "POST" || !is_own(match.level))
        return std::nullopt;
    if (is_in(secret, match.pattern) || writer_ == nullptr)
        return problem(400, "bad_request",
                       "an Idempotency-Key means nothing here: what this answers is kept nowhere");
    if (request.idempotency_key.size() > idempotency_key_bytes_max ||
        !is_utf8(request.idempotency_key))
        return problem(400, "bad_request", "an Idempotency-Key may have 255 bytes of text");
    return std::nullopt;
}

bool AnswerKeeper::counts(const Request& request, const Routes::Match& match) {
    if (request.idempotency_key.empty() || request.method != "POST" || !is_own(match.level) ||
        is_in(starts, match.pattern))
        return false;
    const auto trial = request.query.find("dry_run");
    return trial == request.query.end() || trial->second != "true";
}

bool AnswerKeeper::is_repeated(const Response& response) {
    return response.headers.contains(repeated_header);
}

awaitable<Response> AnswerKeeper::answer(Request request, RouteHandler act, Parameters parameters,
                                         std::string pattern) {
    KeptAnswer asked;
    asked.name = as_utf8(request.login.user) + "\n" + request.idempotency_key;
    asked.fingerprint = fingerprint_of(request);
    asked.owner = fmt::format("{}/{}", life_, ++begun_);
    asked.at = SystemClock().now();
    const bool is_found_again = is_in(found_again, pattern);
    // A run's signals are apart from those of others; jobs are not, and a key is its user's own.
    if (is_found_again && !is_in(of_runs, pattern))
        request.idempotency_key = core::to_hex(core::sha256(asked.name));
    const auto [here, is_new] = going_on_.try_emplace(asked.name, asked.fingerprint);
    if (!is_new) co_return here->second == asked.fingerprint ? goes_on() : other_request();
    struct Ends {
        std::map<std::string, std::string>& all;
        std::string name;
        ~Ends() { all.erase(name); }
    };
    const Ends ends{going_on_, asked.name};
    co_return co_await do_once(std::move(asked), std::move(request), std::move(act),
                               std::move(parameters), is_found_again);
}

awaitable<Response> AnswerKeeper::do_once(KeptAnswer asked, Request request, RouteHandler act,
                                          Parameters parameters, bool is_found_again) {
    const auto begin = [asked](runtime::RunStore& store) {
        return store.begin_answer(asked, asked.at - kept_for);
    };
    const auto there = co_await writer_->ask(begin);
    if (!there)
        co_return problem(503, "unavailable",
                          "the Idempotency-Key cannot be kept, so nothing was done: " +
                              there.error().detail);
    if (there->owner != asked.owner)
        if (auto told = co_await told_before(asked, *there, is_found_again))
            co_return std::move(*told);
    Response response = co_await act(std::move(request), std::move(parameters));
    fail_point("answers.act_done");
    const bool is_open = is_undone(response.status) || (is_found_again && response.status >= 500);
    co_await keep(std::move(asked), response, is_open);
    co_return response;
}

// Nothing: it is to be done now.
awaitable<std::optional<Response>>
AnswerKeeper::told_before(const KeptAnswer& asked, const KeptAnswer& there, bool is_found_again) {
    if (there.name.empty()) co_return goes_on(); // and is over by now
    if (there.fingerprint != asked.fingerprint) co_return other_request();
    if (there.status != 0) {
        Response before;
        before.status = there.status;
        before.body = there.body;
        before.headers[repeated_header] = "true";
        co_return before;
    }
    // What goes on here was found before the store was asked.
    const bool is_elsewhere = is_shared_ && !there.owner.starts_with(life_ + "/");
    if (is_elsewhere && asked.at - there.at < act_patience) co_return goes_on();
    if (!is_found_again) co_return nobody_knows(there.at);
    const auto take = [there, owner = asked.owner](runtime::RunStore& store) {
        return store.take_answer_over(there, owner);
    };
    const auto taken = co_await writer_->ask(take);
    if (taken && *taken) co_return std::nullopt;
    co_return goes_on();
}

awaitable<void> AnswerKeeper::keep(KeptAnswer asked, const Response& response, bool is_open) {
    asked.status = response.status;
    asked.body = response.body;
    if (asked.body.size() > body_bytes_max) {
        const Response instead =
            problem(410, "answer_gone",
                    fmt::format("it was carried out and answered with {} and {} bytes, which are "
                                "more than is kept",
                                response.status, response.body.size()));
        asked.status = instead.status;
        asked.body = instead.body;
    }
    const auto write = [asked, is_open](runtime::RunStore& store) {
        return is_open ? store.drop_answer(asked) : store.keep_answer(asked);
    };
    const auto written = co_await writer_->ask(write);
    if (!written)
        log::warning("web", "the answer to a request with an Idempotency-Key is not kept",
                     {{"reason", written.error().detail}});
}

} // namespace baton::web
