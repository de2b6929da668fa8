#include "server/node_figures.hpp"

#include "broker/journal/journal.hpp"
#include "broker/machine.hpp"

#include <openssl/asn1.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <memory>

namespace baton::server {

web::NodeFigures node_figures(const std::string& data_folder, Time started_at, Time now) {
    web::NodeFigures figures;
    std::error_code error;
    for (std::filesystem::directory_iterator at("/proc/self/fd", error), end; !error && at != end; at.increment(error))
        ++figures.descriptors;
    if (figures.descriptors != 0) --figures.descriptors; // the one that was used to look
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) figures.descriptors_max = limit.rlim_cur;
    std::uint64_t pages = 0;
    std::uint64_t resident = 0;
    if (std::ifstream statm("/proc/self/statm"); statm >> pages >> resident)
        figures.memory = resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    figures.memory_high = broker::memory_limit() / 5 * 2;
    if (const auto space = std::filesystem::space(data_folder, error); !error) figures.disk_free = space.available;
    // The alarm comes when the journal cannot have its next segment.
    figures.disk_free_limit = broker::journal::JournalOptions{}.segment_bytes_max;
    figures.uptime_seconds = static_cast<std::uint64_t>(
        std::max<std::int64_t>(std::chrono::duration_cast<std::chrono::seconds>(now - started_at).count(), 0));
    figures.processors = broker::processor_limit();
    return figures;
}

std::optional<Time> end_of_certificate(const std::string& file) {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> in(std::fopen(file.c_str(), "re"), std::fclose);
    if (!in) return std::nullopt;
    const std::unique_ptr<X509, void (*)(X509*)> certificate(::PEM_read_X509(in.get(), nullptr, nullptr, nullptr),
                                                             ::X509_free);
    std::tm end{};
    if (!certificate || ::ASN1_TIME_to_tm(::X509_get0_notAfter(certificate.get()), &end) != 1) return std::nullopt;
    return std::chrono::time_point_cast<Time::duration>(std::chrono::system_clock::from_time_t(::timegm(&end)));
}

} // namespace baton::server
