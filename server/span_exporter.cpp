#include "server/span_exporter.hpp"

#include "base/assert.hpp"
#include "base/log.hpp"
#include "base/printable.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <utility>

namespace baton::server {
namespace {

constexpr std::string_view traces_path = "/v1/traces";
constexpr std::size_t answer_bytes_max = 512; // for the log

struct HandleFree {
    void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct ListFree {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Headers = std::unique_ptr<curl_slist, ListFree>;

void append(Headers& list, const std::string& line) {
    curl_slist* longer = curl_slist_append(list.get(), line.c_str());
    if (longer == nullptr) return;
    static_cast<void>(list.release());
    list.reset(longer);
}

struct Received {
    std::string body;
    std::optional<Duration> after;
};

std::size_t take_body(char* data, std::size_t size, std::size_t count, void* into) {
    auto& body = static_cast<Received*>(into)->body;
    body.append(data,
                std::min(size * count, answer_bytes_max - std::min(body.size(), answer_bytes_max)));
    return size * count;
}

std::size_t take_header(char* data, std::size_t size, std::size_t count, void* into) {
    std::string line(data, size * count);
    std::ranges::transform(line, line.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    constexpr std::string_view name = "retry-after:";
    if (!line.starts_with(name)) return size * count;
    const auto digits = line.find_first_of("0123456789");
    unsigned seconds = 0;
    if (digits != std::string::npos &&
        std::from_chars(line.data() + digits, line.data() + line.size(), seconds).ec == std::errc{})
        static_cast<Received*>(into)->after = std::chrono::seconds(std::min(seconds, 3600U));
    return size * count;
}

// A stop does not wait for a collector that does not answer.
using IsOver = std::function<bool()>;
int look_for_end(void* is_over, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    return (*static_cast<const IsOver*>(is_over))() ? 1 : 0;
}

// As the specification of OTLP has it; any other answer says that the same would be refused again.
bool is_worth_repeating(long status) {
    return status == 429 || status == 502 || status == 503 || status == 504;
}

} // namespace

std::string traces_url(std::string endpoint) {
    while (endpoint.ends_with('/'))
        endpoint.pop_back();
    return endpoint.ends_with(traces_path) ? endpoint : endpoint + std::string(traces_path);
}

SpanExporter::SpanExporter(SpanExporterOptions options, Counter& exported, Counter& dropped)
    : options_(std::move(options)),
      exported_(exported),
      dropped_(dropped),
      pause_(options_.pause_min),
      thread_("traces", [this] { run(); }) {}

SpanExporter::~SpanExporter() {
    mailbox_.close();
    thread_.join();
}

void SpanExporter::add(orchestrator::runtime::Span span) {
    if (queued_.value() >= static_cast<std::int64_t>(options_.queued_max)) return dropped_.add();
    queued_.add(1);
    mailbox_.put(std::move(span));
}

void SpanExporter::run() {
    while (!mailbox_.is_closed()) {
        gather_more();
        while (!waiting_.empty() && !mailbox_.is_closed() && SystemClock().now() >= not_before_)
            send(options_.limit);
    }
    is_last_ = true;
    const Time end = SystemClock().now() + options_.farewell;
    for (auto& span : mailbox_.take_now())
        waiting_.push_back(std::move(span));
    while (!waiting_.empty() && SystemClock().now() < end)
        send(end - SystemClock().now());
    dropped_.add(waiting_.size());
}

// A batch waits a moment for others, and as long as the collector wants to be left alone.
void SpanExporter::gather_more() {
    const Time until = std::max(not_before_, SystemClock().now() + options_.gather);
    const auto is_full = [&] {
        return waiting_.size() >= options_.batch_max && SystemClock().now() >= not_before_;
    };
    while (!mailbox_.is_closed() && !is_full()) {
        const Duration left = until - SystemClock().now();
        if (left <= Duration::zero()) return;
        for (auto& span : mailbox_.take(left))
            waiting_.push_back(std::move(span));
    }
}

void SpanExporter::send(Duration limit) {
    const std::size_t count = std::min(waiting_.size(), options_.batch_max);
    settle(post(otlp_json(std::span(waiting_).first(count), options_.origin), limit), count);
}

void SpanExporter::settle(const Answer& answer, std::size_t count) {
    if (answer.is_taken) {
        exported_.add(count);
        pause_ = options_.pause_min;
        if (std::exchange(is_away_, false))
            log::info("traces", "the collector takes spans again", {{"url", options_.url}});
    } else {
        if (!std::exchange(is_away_, true))
            log::warning("traces", "the collector does not take spans; runs go on without",
                         {{"url", options_.url}, {"reason", printable(answer.why)}});
        if (answer.may_be_repeated && !is_last_) {
            not_before_ = SystemClock().now() + answer.after.value_or(pause_);
            pause_ = std::min(pause_ * 2, options_.pause_max);
            return;
        }
        dropped_.add(count);
    }
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(count));
    queued_.add(-static_cast<std::int64_t>(count));
}

SpanExporter::Answer SpanExporter::post(const std::string& body, Duration limit) const {
    static const bool initialised = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    BATON_ASSERT(initialised, "libcurl does not start");
    thread_local const std::unique_ptr<CURL, HandleFree> handle(curl_easy_init());
    CURL* curl = handle.get();
    if (curl == nullptr) return {false, true, {}, "no memory for a libcurl handle"};
    curl_easy_reset(curl);
    Headers headers;
    append(headers, "Content-Type: application/json");
    append(headers, "Expect:");
    for (const std::string& header : options_.headers)
        append(headers, header);
    Received received;
    IsOver is_over = [this] { return mailbox_.is_closed() && !is_last_; };
    const auto millis = static_cast<long>(std::max<std::int64_t>(limit.count() / 1000, 1));
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(curl, CURLOPT_URL, options_.url.c_str());
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "baton");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, millis);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, std::min(millis, 5000L));
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.data());
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &received);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &received);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, look_for_end);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &is_over);
    const CURLcode done = curl_easy_perform(curl);
    if (done != CURLE_OK) return {false, true, {}, curl_easy_strerror(done)};
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (status / 100 == 2) return {true, false, {}, {}};
    return {false, is_worth_repeating(status), received.after,
            fmt::format("HTTP {}: {}", status, received.body)};
}

} // namespace baton::server
