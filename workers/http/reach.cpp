// libcurl, told to stop once it is connected.
#include "workers/http/reach.hpp"

#include "workers/http/curl_handle.hpp"

namespace baton::workers::http {

std::optional<Unreachable> reach(const std::string& url, const Limits& limits) {
    CURL* curl = fresh_handle();
    char error_text[CURL_ERROR_SIZE] = "";
    const auto wait = static_cast<long>(std::chrono::ceil<std::chrono::milliseconds>(limits.connect).count());
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error_text);
    curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, wait);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, wait);
    if (!limits.ca_file.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, limits.ca_file.c_str());
    const CURLcode code = curl_easy_perform(curl);
    const std::string detail = error_text[0] != '\0' ? error_text : curl_easy_strerror(code);
    drop_handle();
    if (code == CURLE_OK) return std::nullopt;
    const bool is_mistrusted = code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE;
    return Unreachable{is_mistrusted ? Trouble::mistrusted : Trouble::unreachable, detail};
}

} // namespace baton::workers::http
