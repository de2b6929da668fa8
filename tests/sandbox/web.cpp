// The easy interface of libcurl and a raw socket.
#include "web.hpp"

#include <curl/curl.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string_view>

namespace baton::sandbox::test {

namespace {

std::size_t append(char* data, std::size_t size, std::size_t count, void* into) {
    static_cast<std::string*>(into)->append(data, size * count);
    return size * count;
}

struct Source {
    std::string_view rest;
};

std::size_t take(char* space, std::size_t size, std::size_t count, void* from) {
    auto& rest = static_cast<Source*>(from)->rest;
    const std::size_t taken = std::min(rest.size(), size * count);
    std::memcpy(space, rest.data(), taken);
    rest.remove_prefix(taken);
    return taken;
}

} // namespace

Answer ask(const Ask& question) {
    Answer answer;
    CURL* curl = curl_easy_init();
    curl_slist* headers = nullptr;
    for (const std::string& header : question.headers) headers = curl_slist_append(headers, header.c_str());
    curl_easy_setopt(curl, CURLOPT_URL, question.url.c_str());
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, question.method.c_str());
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    if (!question.body.empty()) curl_easy_setopt(curl, CURLOPT_POSTFIELDS, question.body.c_str());
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, append);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer.body);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, append);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &answer.head);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 20L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    if (curl_easy_perform(curl) == CURLE_OK) {
        long status = 0;
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        answer.status = static_cast<int>(status);
    }
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return answer;
}

MailAnswer send(const Mail& mail) {
    CURL* curl = curl_easy_init();
    Source source{mail.text};
    curl_slist* to = curl_slist_append(nullptr, mail.to.c_str());
    curl_easy_setopt(curl, CURLOPT_URL, mail.url.c_str());
    curl_easy_setopt(curl, CURLOPT_USE_SSL, mail.with_tls ? CURLUSESSL_ALL : CURLUSESSL_NONE);
    curl_blob blob{const_cast<char*>(mail.certificate_pem.data()), mail.certificate_pem.size(),
                   CURL_BLOB_NOCOPY};
    curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob);
    if (!mail.user.empty()) {
        curl_easy_setopt(curl, CURLOPT_USERNAME, mail.user.c_str());
        curl_easy_setopt(curl, CURLOPT_PASSWORD, mail.password.c_str());
    }
    curl_easy_setopt(curl, CURLOPT_MAIL_FROM, mail.from.c_str());
    curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, to);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_READDATA, &source);
    curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 20L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    MailAnswer answer;
    answer.curl_code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.reply);
    curl_slist_free_all(to);
    curl_easy_cleanup(curl);
    return answer;
}

std::string talk(std::uint16_t port, const std::string& bytes) {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    timeval limit{2, 0};
    ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    std::string got;
    if (::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
        static_cast<void>(::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL));
        char space[4096];
        for (ssize_t size = 0; (size = ::recv(socket, space, sizeof space, 0)) > 0;)
            got.append(space, static_cast<std::size_t>(size));
    }
    ::close(socket);
    return got;
}

} // namespace baton::sandbox::test
