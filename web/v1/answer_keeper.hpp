// Requests with an Idempotency-Key: each is done once, and asked again it is answered as before.
// The key is the user's own, and counts for 24 hours. A row in the store says that the act was
// begun, and behind the act what it was answered with:
//
//   no row      begin: the row is written, the act is done, its answer is written
//   answered    the same request: the answer; another request: 422
//   begun       here just now, or lately at another server of the database: 409, ask again
//               else the server ended within the act: it is done again where the key goes into what
//               the act makes, so that a second time finds the first; elsewhere nobody knows, and
//               409 says so
//
// A start of a run needs none of it: the run has its key for as long as it is there. On the web's
// thread.
#pragma once

#include "orchestrator/runtime/kept_answer.hpp"
#include "web/http/routes.hpp"
#include "web/runs/store_writer.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace baton::web {

class AnswerKeeper {
public:
    // `writer` may be null: then no key is taken. `is_shared`: other servers write into the same
    // store.
    AnswerKeeper(StoreWriter* writer, bool is_shared);

    // Why a request with a key is turned away before it is read; nothing: it is not, or has none.
    std::optional<Response> refusal_of(const Request& request, const Routes::Match& match) const;

    // Whether what this asks for is to be done once.
    static bool counts(const Request& request, const Routes::Match& match);
    // Does it, or answers as before.
    boost::asio::awaitable<Response> answer(Request request, RouteHandler act,
                                            Parameters parameters, std::string pattern);

    // Of an answer: nothing was done for it.
    static bool is_repeated(const Response& response);

private:
    using KeptAnswer = orchestrator::runtime::KeptAnswer;

    boost::asio::awaitable<Response> do_once(KeptAnswer asked, Request request, RouteHandler act,
                                             Parameters parameters, bool is_found_again);
    boost::asio::awaitable<std::optional<Response>>
    told_before(const KeptAnswer& asked, const KeptAnswer& there, bool is_found_again);
    // `is_open`: the answer is none that would be given again.
    boost::asio::awaitable<void> keep(KeptAnswer asked, const Response& response, bool is_open);

    StoreWriter* writer_;
    bool is_shared_;
    std::string life_;
    std::uint64_t begun_ = 0;
    std::map<std::string, std::string> going_on_; // fingerprints of requests, by name
};

} // namespace baton::web
