#include "broker/net/certificates.hpp"

#include "base/log.hpp"

#include <sys/stat.h>

namespace baton::broker::net {

using baton::net::TlsContext;
using baton::net::TlsSide;

Outcome<std::unique_ptr<Certificates>> Certificates::open(const TlsSettings& settings) {
    std::unique_ptr<Certificates> made(new Certificates(settings));
    // Before reading: what changes while it is read is read again.
    made->seen_ = made->look();
    BATON_ASSIGN(made->context_, TlsContext::make(TlsSide::server, settings.files));
    return made;
}

// Three calls of stat() cost nothing beside a handshake.
std::shared_ptr<const TlsContext> Certificates::current() {
    const Stamps now = look();
    if (now == seen_) return context_;
    seen_ = now;
    auto renewed = TlsContext::make(TlsSide::server, settings_.files);
    if (renewed) {
        context_ = std::move(*renewed);
        log::info("broker", "certificates were read again",
                  {{"certificate", settings_.files.certificate}});
    } else {
        log::error("broker", "the certificates on disk cannot be used; those read before stay",
                   {{"why", renewed.error().detail}});
    }
    return context_;
}

Certificates::Stamps Certificates::look() const {
    const auto stamp = [](const std::string& path) {
        struct stat found {};
        if (path.empty() || ::stat(path.c_str(), &found) != 0) return Stamp{};
        return Stamp{found.st_mtim.tv_sec, found.st_mtim.tv_nsec, found.st_size, found.st_ino};
    };
    const auto& files = settings_.files;
    return {stamp(files.certificate), stamp(files.key), stamp(files.authorities)};
}

} // namespace baton::broker::net
