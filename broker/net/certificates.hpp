// The certificates a TLS listener shows. A certificate that was renewed on disk is used from the
// next connection on, without a signal or a restart; files that cannot be used leave the ones in
// use, with a line in the log. On the I/O thread.
#pragma once

#include "broker/net/options.hpp"

#include <array>
#include <memory>

namespace baton::broker::net {

class Certificates {
public:
    // The failure names the file and what to do about it.
    static Outcome<std::unique_ptr<Certificates>> open(const TlsSettings& settings);

    // For the next connection.
    std::shared_ptr<const baton::net::TlsContext> current();

private:
    // What tells one version of a file from the next.
    struct Stamp {
        std::int64_t seconds = 0;
        std::int64_t nanoseconds = 0;
        std::int64_t size = 0;
        std::uint64_t number = 0;
        bool operator==(const Stamp&) const = default;
    };
    using Stamps = std::array<Stamp, 3>;

    explicit Certificates(const TlsSettings& settings) : settings_(settings) {}
    Stamps look() const;

    TlsSettings settings_;
    std::shared_ptr<const baton::net::TlsContext> context_;
    Stamps seen_{};
};

} // namespace baton::broker::net
