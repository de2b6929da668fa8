// Assembly: ports, certificate, world, one thread.
#include "sandbox/sandbox.hpp"

#include "base/log.hpp"
#include "base/thread.hpp"
#include "sandbox/certificate.hpp"
#include "sandbox/furnish.hpp"
#include "sandbox/http_service.hpp"
#include "sandbox/smtp_service.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <fmt/format.h>

#include <fcntl.h>
#include <unistd.h>

namespace baton::sandbox {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

Outcome<void> open_port(tcp::acceptor& acceptor, const std::string& address, std::uint16_t port,
                        std::string_view what) {
    ErrorCode error;
    const auto host = asio::ip::make_address(address, error);
    const tcp::endpoint endpoint(host, port);
    if (!error) acceptor.open(endpoint.protocol(), error);
    if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (!error) return {};
    return Failure{error, fmt::format("the sandbox cannot listen for {} on {}:{}: {}", what, address,
                                      port, error.message())};
}

Outcome<void> write_file(const std::string& path, const std::string& text) {
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    const bool written =
        file >= 0 && ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    const ErrorCode error{errno, boost::system::system_category()};
    if (file >= 0) ::close(file);
    if (written) return {};
    return Failure{error, fmt::format("the sandbox cannot write {}: {}", path, error.message())};
}

void end_badly(std::exception_ptr problem) {
    if (problem) log::error("sandbox", "a listener ended unexpectedly");
}

} // namespace

struct Sandbox::Service {
    Room room;
    Certificate certificate;
    asio::io_context io{1};
    tcp::acceptor http{io};
    tcp::acceptor smtp{io};
    std::uint16_t http_port = 0;
    std::uint16_t smtp_port = 0;
    Thread thread;

    Service(Options options, World world, Certificate paper)
        : room{std::move(options), std::move(world), {}}, certificate(std::move(paper)) {}

    ~Service() { stop(); }

    void stop() {
        io.stop();
        thread.join();
    }
};

Outcome<Sandbox> Sandbox::start(Options options) {
    BATON_ASSIGN(World world, options.state_file.empty() ? Outcome<World>(World{})
                                                         : World::open(options.state_file));
    BATON_ASSIGN(Certificate certificate, make_certificate());
    if (!options.certificate_file.empty())
        BATON_TRY(write_file(options.certificate_file, certificate.certificate_pem));
    auto service = std::make_unique<Service>(std::move(options), std::move(world),
                                             std::move(certificate));
    furnish(service->room);
    const Options& settled = service->room.options;
    BATON_TRY(open_port(service->http, settled.address, settled.http_port, "HTTP"));
    BATON_TRY(open_port(service->smtp, settled.address, settled.smtp_port, "SMTP"));
    service->http_port = service->http.local_endpoint().port();
    service->smtp_port = service->smtp.local_endpoint().port();
    asio::co_spawn(service->io, serve_http(service->http, service->room), end_badly);
    asio::co_spawn(service->io,
                   serve_smtp(service->smtp, service->room, service->certificate.certificate_pem,
                              service->certificate.key_pem),
                   end_badly);
    service->thread = Thread("sandbox", [raw = service.get()] { raw->io.run(); });
    log::info("sandbox", "a stand-in is listening",
              {{"http", fmt::format("{}:{}", settled.address, service->http_port)},
               {"smtp", fmt::format("{}:{}", settled.address, service->smtp_port)}});
    return Sandbox(std::move(service));
}

Sandbox::Sandbox(std::unique_ptr<Service> service) : service_(std::move(service)) {}
Sandbox::Sandbox(Sandbox&&) noexcept = default;
Sandbox& Sandbox::operator=(Sandbox&&) noexcept = default;
Sandbox::~Sandbox() = default;

void Sandbox::stop() { service_->stop(); }

std::uint16_t Sandbox::http_port() const { return service_->http_port; }
std::uint16_t Sandbox::smtp_port() const { return service_->smtp_port; }
std::string Sandbox::url() const {
    return fmt::format("http://{}:{}", options().address, service_->http_port);
}
std::string Sandbox::mailcow_url() const { return url() + "/mailcow"; }
std::string Sandbox::redmine_url() const { return url() + "/redmine"; }
std::string Sandbox::slack_url() const { return url() + "/slack/api"; }
std::string Sandbox::smtp_url() const {
    return fmt::format("smtp://{}:{}", options().address, service_->smtp_port);
}
const std::string& Sandbox::certificate_pem() const { return service_->certificate.certificate_pem; }
const Options& Sandbox::options() const { return service_->room.options; }

} // namespace baton::sandbox
