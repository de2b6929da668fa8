// TLS by OpenSSL 3, with a transport of our own below it: OpenSSL's writes to a socket whose reader
// is gone would raise SIGPIPE.
#include "net/tls.hpp"

#include "base/named_file.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/ip/address.hpp>
#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace baton::net {

namespace {

// How much one read of the socket takes: several records of the usual size for one system call.
constexpr std::size_t read_ahead_bytes = 64 * 1024;

class Category final : public boost::system::error_category {
public:
    const char* name() const noexcept override { return "tls"; }
    std::string message(int) const override { return "TLS failed"; }
};

Failure wrong(std::string text) {
    return {TlsErrc::failed, std::move(text)};
}

// The oldest error of this thread's queue is the cause; the others follow from it.
std::string openssl_reason() {
    const unsigned long code = ERR_get_error();
    ERR_clear_error();
    const char* reason = ERR_reason_error_string(code);
    if (reason != nullptr) return reason;
    return code == 0 ? "no reason given" : fmt::format("error {:x}", code);
}

Outcome<void> expect_readable(const char* what, const std::string& path) {
    const auto checked = check_named_file(path);
    if (!checked)
        return wrong(fmt::format("cannot read the {} '{}': {}; name a PEM file this process may "
                                 "read",
                                 what, path, checked.error().detail));
    return {};
}

// OpenSSL would ask on the terminal.
int give_password(char* space, int size, int, void* told) {
    const auto& password = *static_cast<const std::string*>(told);
    const int length = std::min(size, static_cast<int>(password.size()));
    std::memcpy(space, password.data(), static_cast<std::size_t>(length));
    return length;
}

// --- The transport -------------------------------------------------------------------------------

struct Transport {
    int descriptor = -1;
    int error = 0; // of the last call that failed for good
    bool has_ended = false;
};

Transport& transport_of(BIO* bio) {
    return *static_cast<Transport*>(BIO_get_data(bio));
}

bool is_transient(int error) {
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

int transport_write(BIO* bio, const char* bytes, int count) {
    Transport& transport = transport_of(bio);
    BIO_clear_retry_flags(bio);
    const ssize_t sent =
        ::send(transport.descriptor, bytes, static_cast<std::size_t>(count), MSG_NOSIGNAL);
    if (sent >= 0) return static_cast<int>(sent);
    if (is_transient(errno))
        BIO_set_retry_write(bio);
    else
        transport.error = errno;
    return -1;
}

int transport_read(BIO* bio, char* space, int count) {
    Transport& transport = transport_of(bio);
    BIO_clear_retry_flags(bio);
    const ssize_t got = ::recv(transport.descriptor, space, static_cast<std::size_t>(count), 0);
    if (got > 0) return static_cast<int>(got);
    if (got == 0)
        transport.has_ended = true;
    else if (is_transient(errno))
        BIO_set_retry_read(bio);
    else
        transport.error = errno;
    return got == 0 ? 0 : -1;
}

long transport_control(BIO* bio, int what, long, void*) {
    if (what == BIO_CTRL_FLUSH) return 1;
    if (what == BIO_CTRL_EOF) return transport_of(bio).has_ended ? 1 : 0;
    return 0;
}

const BIO_METHOD* transport_method() {
    static const BIO_METHOD* const method = [] {
        BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "baton socket");
        BIO_meth_set_write(made, transport_write);
        BIO_meth_set_read(made, transport_read);
        BIO_meth_set_ctrl(made, transport_control);
        return made;
    }();
    return method;
}

// --- Names ---------------------------------------------------------------------------------------

std::string text_of(ASN1_STRING* value) {
    unsigned char* utf8 = nullptr;
    const int length = ASN1_STRING_to_UTF8(&utf8, value);
    if (length < 0) {
        ERR_clear_error();
        return {};
    }
    std::string text(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(length));
    OPENSSL_free(utf8);
    return text;
}

std::string distinguished_name(const X509* certificate) {
    BIO* memory = BIO_new(BIO_s_mem());
    // RFC 4514 without escaping what is UTF-8.
    X509_NAME_print_ex(memory, X509_get_subject_name(certificate), 0,
                       XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
    char* text = nullptr;
    const long length = BIO_get_mem_data(memory, &text);
    std::string name(text, static_cast<std::size_t>(std::max(length, 0L)));
    BIO_free(memory);
    return name;
}

// Several are joined with commas, as RabbitMQ does.
std::string common_name(const X509* certificate) {
    X509_NAME* subject = X509_get_subject_name(certificate);
    std::string names;
    for (int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1); at >= 0;
         at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) {
        if (!names.empty()) names += ',';
        names += text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    }
    return names;
}

std::string alternative_name(const X509* certificate, int kind) {
    auto* names = static_cast<GENERAL_NAMES*>(
        X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
    std::string found;
    for (int at = 0; at < sk_GENERAL_NAME_num(names) && found.empty(); ++at) {
        const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, at);
        if (name->type == kind) found = text_of(name->d.ia5);
    }
    GENERAL_NAMES_free(names);
    return found;
}

} // namespace

const boost::system::error_category& tls_category() {
    static const Category instance;
    return instance;
}

ErrorCode make_error_code(TlsErrc code) {
    return {static_cast<int>(code), tls_category()};
}

// --- Context -------------------------------------------------------------------------------------

struct TlsContext::Inside {
    TlsSide side = TlsSide::server;
    bool verifies_peer = false;
    SSL_CTX* context = nullptr;

    ~Inside() { SSL_CTX_free(context); }

    Outcome<void> take_certificate(const TlsOptions& options);
    Outcome<void> take_authorities(const TlsOptions& options);
};

TlsContext::TlsContext(std::unique_ptr<Inside> inside) : inside_(std::move(inside)) {}
TlsContext::~TlsContext() = default;

Outcome<void> TlsContext::Inside::take_certificate(const TlsOptions& options) {
    BATON_TRY(expect_readable("certificate", options.certificate));
    if (options.key.empty())
        return wrong(fmt::format("the key that belongs to the certificate '{}' is not set",
                                 options.certificate));
    BATON_TRY(expect_readable("key", options.key));
    if (SSL_CTX_use_certificate_chain_file(context, options.certificate.c_str()) != 1)
        return wrong(fmt::format("'{}' holds no certificate in PEM form: {}", options.certificate,
                                 openssl_reason()));
    std::string password = options.key_password;
    SSL_CTX_set_default_passwd_cb(context, give_password);
    SSL_CTX_set_default_passwd_cb_userdata(context, &password);
    const int has_key = SSL_CTX_use_PrivateKey_file(context, options.key.c_str(), SSL_FILETYPE_PEM);
    SSL_CTX_set_default_passwd_cb_userdata(context, nullptr);
    SSL_CTX_set_default_passwd_cb(context, nullptr);
    const auto belongs_not = [&] {
        ERR_clear_error();
        return wrong(fmt::format("the key '{}' does not belong to the certificate '{}'; name the "
                                 "key the certificate was made with",
                                 options.key, options.certificate));
    };
    if (has_key != 1) {
        if (ERR_GET_REASON(ERR_peek_error()) == X509_R_KEY_VALUES_MISMATCH) return belongs_not();
        return wrong(fmt::format("'{}' holds no private key in PEM form{}: {}", options.key,
                                 password.empty() ? ", or one that needs a password"
                                                  : ", or its password is another one",
                                 openssl_reason()));
    }
    if (SSL_CTX_check_private_key(context) != 1) return belongs_not();
    return {};
}

Outcome<void> TlsContext::Inside::take_authorities(const TlsOptions& options) {
    if (options.authorities.empty()) {
        if (!options.verifies_peer) return {};
        if (side == TlsSide::server)
            return wrong("clients' certificates cannot be checked without the certificate of the "
                         "authority that signs them; set it, or do not verify");
        SSL_CTX_set_default_verify_paths(context);
        return {};
    }
    BATON_TRY(expect_readable("authorities' certificates", options.authorities));
    if (SSL_CTX_load_verify_locations(context, options.authorities.c_str(), nullptr) != 1)
        return wrong(fmt::format("'{}' holds no certificate of an authority in PEM form: {}",
                                 options.authorities, openssl_reason()));
    // Tells clients with several certificates which one to show.
    if (side == TlsSide::server && options.verifies_peer)
        SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(options.authorities.c_str()));
    return {};
}

Outcome<std::shared_ptr<const TlsContext>> TlsContext::make(TlsSide side,
                                                            const TlsOptions& options) {
    ERR_clear_error();
    auto inside = std::make_unique<Inside>();
    inside->side = side;
    inside->verifies_peer = options.verifies_peer;
    inside->context =
        SSL_CTX_new(side == TlsSide::server ? TLS_server_method() : TLS_client_method());
    SSL_CTX* const context = inside->context;
    if (context == nullptr) return wrong("OpenSSL cannot start: " + openssl_reason());
    SSL_CTX_set_min_proto_version(context,
                                  options.refuses_tls_1_2 ? TLS1_3_VERSION : TLS1_2_VERSION);
    // Of TLS 1.2 what Mozilla calls intermediate: fresh keys for each connection, and no CBC.
    if (side == TlsSide::server)
        SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20");
    // A connection without close_notify ends as a socket does: AMQP has its own goodbye.
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    // Connections live long; without resumption every login is checked against the files of now.
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, read_ahead_bytes);
    if (side == TlsSide::server || !options.certificate.empty()) {
        if (options.certificate.empty()) return wrong("the server's certificate is not set");
        BATON_TRY(inside->take_certificate(options));
    }
    BATON_TRY(inside->take_authorities(options));
    int verify = options.verifies_peer ? SSL_VERIFY_PEER : SSL_VERIFY_NONE;
    if (options.verifies_peer && options.needs_peer_certificate)
        verify |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(context, verify, nullptr);
    return std::shared_ptr<const TlsContext>(new TlsContext(std::move(inside)));
}

// --- Session -------------------------------------------------------------------------------------

struct TlsSession::Inside {
    std::shared_ptr<const TlsContext> context;
    SSL* session = nullptr;
    Transport transport;
    bool reading_waits_for_writing = false;
    bool writing_waits_for_reading = false;
    bool may_have_more = false;
    std::string complaint;

    ~Inside() { SSL_free(session); }

    // What a call that returned `result`, which was not good, means. `waits_for_writing` is set
    // when the answer is would_block.
    ErrorCode error_of(int result, bool& waits_for_writing);
    std::string reason() const;
};

std::string TlsSession::Inside::reason() const {
    const unsigned long code = ERR_peek_error();
    const int why = ERR_GET_REASON(code);
    const long verified = SSL_get_verify_result(session);
    if (why == SSL_R_CERTIFICATE_VERIFY_FAILED && verified != X509_V_OK) {
        ERR_clear_error();
        return fmt::format("the other side's certificate is not accepted: {}",
                           X509_verify_cert_error_string(verified));
    }
    const bool is_server = SSL_is_server(session) == 1;
    const char* hint = "";
    if (why == SSL_R_WRONG_VERSION_NUMBER || why == SSL_R_HTTP_REQUEST)
        hint = is_server ? "; the client does not speak TLS on this port"
                         : "; the server does not speak TLS on this port";
    else if (why == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
        hint = "; clients need one here";
    return openssl_reason() + hint;
}

ErrorCode TlsSession::Inside::error_of(int result, bool& waits_for_writing) {
    const int kind = SSL_get_error(session, result);
    if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE) {
        waits_for_writing = kind == SSL_ERROR_WANT_WRITE;
        return boost::asio::error::would_block;
    }
    if (kind == SSL_ERROR_SSL) {
        complaint = reason();
        return TlsErrc::failed;
    }
    ERR_clear_error();
    if (kind == SSL_ERROR_SYSCALL && transport.error != 0)
        return {transport.error, boost::system::system_category()};
    return boost::asio::error::eof;
}

TlsSession::TlsSession(std::shared_ptr<const TlsContext> context, int descriptor,
                       const std::string& server_name)
    : inside_(std::make_unique<Inside>()) {
    Inside& in = *inside_;
    in.context = std::move(context);
    in.transport.descriptor = descriptor;
    in.session = SSL_new(in.context->inside_->context);
    BIO* bio = BIO_new(transport_method());
    BIO_set_data(bio, &in.transport);
    BIO_set_init(bio, 1);
    SSL_set_bio(in.session, bio, bio);
    if (in.context->inside_->side == TlsSide::server) {
        SSL_set_accept_state(in.session);
        return;
    }
    SSL_set_connect_state(in.session);
    if (server_name.empty()) return;
    ErrorCode not_numeric;
    boost::asio::ip::make_address(server_name, not_numeric);
    if (not_numeric) {
        SSL_set_tlsext_host_name(in.session, server_name.c_str());
        SSL_set1_host(in.session, server_name.c_str());
    } else {
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(in.session), server_name.c_str());
    }
}

TlsSession::~TlsSession() = default;

Status TlsSession::shake_hands() {
    ERR_clear_error();
    const int result = SSL_do_handshake(inside_->session);
    if (result == 1) return {};
    return inside_->error_of(result, inside_->reading_waits_for_writing);
}

std::size_t TlsSession::read_some(std::span<std::byte> space, ErrorCode& error) {
    error = {};
    std::size_t total = 0;
    inside_->may_have_more = false;
    while (total < space.size()) {
        std::size_t got = 0;
        ERR_clear_error();
        const int result =
            SSL_read_ex(inside_->session, space.data() + total, space.size() - total, &got);
        if (result != 1) {
            error = inside_->error_of(result, inside_->reading_waits_for_writing);
            // What came before the end is good; the next call meets the same end, of which the
            // socket says nothing any more.
            if (total > 0) {
                inside_->may_have_more = error != boost::asio::error::would_block;
                error = {};
            }
            return total;
        }
        total += got;
    }
    inside_->may_have_more = true;
    return total;
}

std::size_t TlsSession::write_some(ByteView bytes, ErrorCode& error) {
    error = {};
    std::size_t total = 0;
    while (total < bytes.size()) {
        std::size_t wrote = 0;
        ERR_clear_error();
        const int result =
            SSL_write_ex(inside_->session, bytes.data() + total, bytes.size() - total, &wrote);
        if (result != 1) {
            bool waits_for_writing = true;
            error = inside_->error_of(result, waits_for_writing);
            inside_->writing_waits_for_reading = !waits_for_writing;
            if (total > 0) error = {};
            return total;
        }
        total += wrote;
    }
    return total;
}

void TlsSession::say_goodbye() {
    ERR_clear_error();
    if (SSL_is_init_finished(inside_->session) == 1) (void)SSL_shutdown(inside_->session);
    ERR_clear_error();
}

bool TlsSession::reading_waits_for_writing() const {
    return inside_->reading_waits_for_writing;
}

bool TlsSession::writing_waits_for_reading() const {
    return inside_->writing_waits_for_reading;
}

bool TlsSession::may_have_more() const {
    return inside_->may_have_more;
}

const std::string& TlsSession::complaint() const {
    return inside_->complaint;
}

std::string TlsSession::protocol() const {
    return SSL_get_version(inside_->session);
}

std::string TlsSession::cipher() const {
    const char* name = SSL_get_cipher_name(inside_->session);
    return name == nullptr ? "" : name;
}

bool TlsSession::has_verified_peer() const {
    return inside_->context->inside_->verifies_peer &&
           SSL_get0_peer_certificate(inside_->session) != nullptr &&
           SSL_get_verify_result(inside_->session) == X509_V_OK;
}

std::optional<std::string> TlsSession::peer_name(TlsNameSource source) const {
    if (!has_verified_peer()) return std::nullopt;
    const X509* certificate = SSL_get0_peer_certificate(inside_->session);
    std::string name;
    switch (source) {
    case TlsNameSource::distinguished_name:
        name = distinguished_name(certificate);
        break;
    case TlsNameSource::common_name:
        name = common_name(certificate);
        break;
    case TlsNameSource::alternative_dns:
        name = alternative_name(certificate, GEN_DNS);
        break;
    case TlsNameSource::alternative_email:
        name = alternative_name(certificate, GEN_EMAIL);
        break;
    }
    if (name.empty()) return std::nullopt;
    return name;
}

} // namespace baton::net
