// What is asked over AMQP is what is asked over HTTP: the same routes with the same members, levels and
// answers, under other names.
//
//   key               route                          members besides
//   run.start         POST /api/runs                 the request's message_id is its fallback_key
//   run.show          GET /api/runs/RUN              run
//   run.cancel        POST /api/runs/RUN/cancel      run
//   run.retry         POST /api/runs/RUN/retry       run
//   workflow.deploy   POST /api/workflows
//
// The answer's type is `answer`, its body that of HTTP, and the header baton-status HTTP's status. Who
// starts a run with the header baton-wait gets a second one, of type `closed`, when the run has come to
// its end.
#pragma once

#include "orchestrator/messaging/request.hpp"
#include "orchestrator/runtime/engine.hpp"
#include "web/api.hpp"

namespace boost::asio {
class io_context;
}

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace baton::server {

class AmqpRequests {
public:
    using Request = orchestrator::Request;
    using Answer = orchestrator::Answer;
    using FindUser = std::function<std::optional<web::KnownUser>(const std::string& user)>;

    // All must outlive it. Asks on the web's thread, as HTTP does.
    AmqpRequests(boost::asio::io_context& web, web::Handler handler, orchestrator::runtime::Engine& engine, FindUser find_user);
    ~AmqpRequests();

    // Any thread.
    void ask(Request request, std::function<void(Answer)> answer);

private:
    struct Inside;
    std::shared_ptr<Inside> inside_;
};

// The request that HTTP would have sent, or the answer that says what is wrong with it.
struct Translated {
    web::Request request;
    std::optional<orchestrator::Answer> refusal;
};
Translated to_http(const orchestrator::Request& request);

} // namespace baton::server
