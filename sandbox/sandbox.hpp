// The sandbox: a clearly labelled stand-in for the target systems, on loopback, with a memory. Serves
// mailcow's account calls, Redmine's REST calls and Slack's Web API calls on one HTTP port, and SMTP
// submission with STARTTLS on another. Workers do not know the difference.
//
// start() returns when both ports are open; a thread of its own serves them until the object dies or
// stop() is called. All members may be called from any thread; the object is used by one owner.
#pragma once

#include "base/result.hpp"
#include "sandbox/options.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace baton::sandbox {

class Sandbox {
public:
    // The failure says which port or file is the trouble.
    static Outcome<Sandbox> start(Options options);

    Sandbox(Sandbox&&) noexcept;
    Sandbox& operator=(Sandbox&&) noexcept;
    ~Sandbox();

    // Closes all connections and joins the thread. May be called twice.
    void stop();

    std::uint16_t http_port() const;
    std::uint16_t smtp_port() const;

    // What a worker is configured with to talk to this sandbox.
    std::string url() const;            // "http://127.0.0.1:40123", state at /sandbox/state
    std::string mailcow_url() const;    // url() + "/mailcow"
    std::string redmine_url() const;    // url() + "/redmine"
    std::string slack_url() const;      // url() + "/slack/api"
    std::string smtp_url() const;       // "smtp://127.0.0.1:40124"
    const std::string& certificate_pem() const;   // to verify the SMTP port's STARTTLS
    const Options& options() const;

private:
    struct Service;
    explicit Sandbox(std::unique_ptr<Service> service);
    std::unique_ptr<Service> service_;
};

} // namespace baton::sandbox
