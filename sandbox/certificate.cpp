// OpenSSL's way to a certificate, with owners around its pointers.
#include "sandbox/certificate.hpp"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <memory>

namespace baton::sandbox {

namespace {

template <auto Free>
struct With {
    template <typename T>
    void operator()(T* pointer) const {
        Free(pointer);
    }
};
using Key = std::unique_ptr<EVP_PKEY, With<EVP_PKEY_free>>;
using Paper = std::unique_ptr<X509, With<X509_free>>;
using Memory = std::unique_ptr<BIO, With<BIO_free_all>>;
using Extension = std::unique_ptr<X509_EXTENSION, With<X509_EXTENSION_free>>;

constexpr long valid_seconds = 30L * 24 * 60 * 60;

bool add_extension(X509* paper, int kind, const char* value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, paper, paper, nullptr, nullptr, 0);
    const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, kind, value));
    return extension && X509_add_ext(paper, extension.get(), -1) == 1;
}

std::string text_in(BIO* memory) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(memory, &data);
    return {data, static_cast<std::size_t>(size)};
}

bool fill_in(X509* paper, EVP_PKEY* key) {
    std::int64_t serial = 0;
    if (RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) != 1) return false;
    X509_set_version(paper, 2);
    ASN1_INTEGER_set_int64(X509_get_serialNumber(paper), serial & INT64_MAX);
    X509_gmtime_adj(X509_getm_notBefore(paper), -60);
    X509_gmtime_adj(X509_getm_notAfter(paper), valid_seconds);
    X509_set_pubkey(paper, key);
    X509_NAME* name = X509_get_subject_name(paper);
    const unsigned char text[] = "Baton sandbox, a stand-in";
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, text, -1, -1, 0);
    X509_set_issuer_name(paper, name);
    return add_extension(paper, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1") &&
           add_extension(paper, NID_basic_constraints, "critical,CA:TRUE") &&
           X509_sign(paper, key, EVP_sha256()) > 0;
}

} // namespace

Outcome<Certificate> make_certificate() {
    const Key key(EVP_EC_gen("P-256"));
    const Paper paper(X509_new());
    const Memory certificate_out(BIO_new(BIO_s_mem()));
    const Memory key_out(BIO_new(BIO_s_mem()));
    if (!key || !paper || !certificate_out || !key_out || !fill_in(paper.get(), key.get()) ||
        PEM_write_bio_X509(certificate_out.get(), paper.get()) != 1 ||
        PEM_write_bio_PrivateKey(key_out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1)
        return Failure{make_error_code(boost::system::errc::io_error),
                       "the sandbox cannot make a certificate for its SMTP port"};
    return Certificate{text_in(certificate_out.get()), text_in(key_out.get())};
}

} // namespace baton::sandbox
