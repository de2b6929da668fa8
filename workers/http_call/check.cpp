// A connection to each target, with TLS where its URL says so. The secrets' files were read with the settings.
#include "workers/http_call/check.hpp"

#include "workers/http/reach.hpp"

namespace baton::workers::http_call {

Findings check(const Settings& settings) {
    Findings findings;
    for (const auto& [name, target] : settings.targets) {
        const std::string what = "target " + name;
        const auto problem = http::reach(target.url, target.limits);
        if (!problem)
            findings.push_back(well(what, target.url + " is reachable"));
        else
            findings.push_back(missing(what, target.url + ": " + problem->detail,
                                       problem->trouble == http::Trouble::mistrusted
                                           ? "let BATON_HTTP_CA_FILE name the certificates to trust"
                                           : "is its url in BATON_WORKER_FILE right, and the target reachable from here?"));
    }
    return findings;
}

} // namespace baton::workers::http_call
