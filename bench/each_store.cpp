// Databases that are there only while they are measured.
#include "bench/each_store.hpp"

#include "tests/support/postgres.hpp"

#include <cstdlib>
#include <filesystem>
#include <memory>

namespace baton {

int on_each_store(std::vector<std::string> urls,
                  const std::function<bool(const std::string& url)>& measure) {
    std::unique_ptr<testing::Postgres> server;
    std::string folder = (std::filesystem::temp_directory_path() / "baton-bench-XXXXXX").string();
    if (mkdtemp(folder.data()) == nullptr) return 1;
    if (urls.empty()) {
        server = std::make_unique<testing::Postgres>(testing::Postgres::Disk::durable);
        urls = {"sqlite:" + folder + "/baton.db", server->new_database_url()};
    }
    bool well = true;
    for (const std::string& url : urls)
        well = measure(url) && well;
    std::filesystem::remove_all(folder);
    return well ? 0 : 1;
}

} // namespace baton
