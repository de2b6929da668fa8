// TLS (OpenSSL) for sockets that never block, on either side of a connection. A session reads and
// writes the descriptor itself and says would_block where a plain socket does, so one loop serves
// both kinds: whoever owns the socket waits until it is ready and asks again. OpenSSL's own headers
// stay in tls.cpp.
//
// A context is made once and shared by its sessions; a session belongs to one connection, on its
// thread.
#pragma once

#include "base/bytes.hpp"
#include "base/result.hpp"

#include <memory>
#include <optional>
#include <span>
#include <string>

struct ssl_st; // OpenSSL's

namespace baton::net {

enum class TlsErrc {
    failed = 1, // bytes that are no TLS, an alert, a certificate that was not accepted
};
const boost::system::error_category& tls_category();
ErrorCode make_error_code(TlsErrc code);

enum class TlsSide { server, client };

// Files in PEM form. A server needs certificate and key; a client that names them shows them to a
// server that asks.
struct TlsOptions {
    std::string certificate; // with what is between it and the authority, in this order
    std::string key;
    std::string key_password;
    // Who may have signed the other side's certificate. A client without it trusts the system's.
    std::string authorities;
    // A server asks clients for a certificate; a client checks the server's, and its name.
    bool verifies_peer = false;
    // A server refuses clients without one.
    bool needs_peer_certificate = false;
    bool refuses_tls_1_2 = false; // older ones are refused always
};

// Where a user's name stands in a client's certificate.
enum class TlsNameSource { distinguished_name, common_name, alternative_dns, alternative_email };

class TlsContext {
public:
    // The failure names the file and what to do about it.
    static Outcome<std::shared_ptr<const TlsContext>> make(TlsSide side, const TlsOptions& options);
    ~TlsContext();
    // For a stream of Asio's own kind: a new session of OpenSSL, the caller's to free. The context must
    // outlive it.
    ssl_st* make_native() const;
    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;

private:
    friend class TlsSession;
    struct Inside;
    explicit TlsContext(std::unique_ptr<Inside> inside);
    std::unique_ptr<Inside> inside_;
};

class TlsSession {
public:
    // `descriptor` is a connected socket that does not block; it must outlive the session. A client
    // gives the name it wants to see in the server's certificate, a host name or an address.
    TlsSession(std::shared_ptr<const TlsContext> context, int descriptor,
               const std::string& server_name = {});
    ~TlsSession();
    TlsSession(const TlsSession&) = delete;
    TlsSession& operator=(const TlsSession&) = delete;

    // All three give would_block where they wait for the socket, eof when the other side has ended
    // the connection, TlsErrc::failed with complaint(), or the socket's own error.
    Status shake_hands();
    // As much as is there, at most `space`.
    std::size_t read_some(std::span<std::byte> space, ErrorCode& error);
    // After would_block the same bytes must come first the next time; more may follow them.
    std::size_t write_some(ByteView bytes, ErrorCode& error);
    // Tells the other side that nothing more comes; whether it arrives is not known.
    void say_goodbye();

    // What the last would_block of reading (or of the handshake) and of writing was about, when it
    // was the other direction.
    bool reading_waits_for_writing() const;
    bool writing_waits_for_reading() const;
    // The last read ended because its space was full, or at an end behind what it brought: the
    // socket may stay silent though there is more to learn.
    bool may_have_more() const;
    // A sentence for the log after TlsErrc::failed.
    const std::string& complaint() const;

    // "TLSv1.3", "TLS_AES_256_GCM_SHA384"; after the handshake.
    std::string protocol() const;
    std::string cipher() const;
    // Did the other side show a certificate that one of the authorities signed?
    bool has_verified_peer() const;
    // From the verified certificate; nothing without one or when it has no such name.
    std::optional<std::string> peer_name(TlsNameSource source) const;

private:
    struct Inside;
    std::unique_ptr<Inside> inside_;
};

} // namespace baton::net

template <>
struct boost::system::is_error_code_enum<baton::net::TlsErrc> : std::true_type {};
