// The house test reads the source tree and keeps what a drawing cannot keep true by itself: who may
// include whom, what pure rooms may touch, where threads, clocks and coroutines begin, which files
// may stand where. A failure says file:line, what, and what to do instead. An exception to a rule
// is a line in its table here.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace fs = std::filesystem;

struct Room {
    std::vector<std::string> may_include; // rooms of ours, itself aside
    bool pure = false;
};

// The dependency table of docs/architecture.md.
const std::map<std::string, Room>& rooms() {
    static const std::map<std::string, Room> table{
        {"base", {{}, false}},
        {"net", {{"base"}, false}},
        {"net/websocket", {{"base"}, true}},
        {"mqtt", {{"base"}, true}},
        {"amqp", {{"base"}, true}},
        {"amqp/client", {{"amqp", "net", "base"}, false}},
        {"contract", {{"amqp", "base"}, true}},
        {"broker/core", {{"amqp", "base"}, true}},
        {"broker/journal", {{"broker/core", "amqp", "base"}, false}},
        {"broker/runtime", {{"broker/core", "base"}, false}},
        {"broker/mqtt", {{"broker/runtime", "broker/core", "mqtt", "amqp", "base"}, true}},
        {"broker/net",
         {{"broker/mqtt", "broker/runtime", "broker/core", "amqp", "net", "net/websocket", "base"},
          false}},
        {"broker",
         {{"broker/core", "broker/journal", "broker/mqtt", "broker/runtime", "broker/net", "amqp",
           "net", "net/websocket", "base"},
          false}},
        {"orchestrator/expression", {{"base"}, true}},
        {"orchestrator/core", {{"orchestrator/expression", "base"}, true}},
        {"orchestrator/definition",
         {{"orchestrator/schedule", "orchestrator/core", "orchestrator/expression", "base"},
          false}},
        {"orchestrator/graph", {{"orchestrator/core", "orchestrator/expression", "base"}, true}},
        {"orchestrator/hook", {{"orchestrator/core", "orchestrator/expression", "base"}, true}},
        {"orchestrator/schedule", {{"orchestrator/core", "orchestrator/expression", "base"}, true}},
        {"orchestrator/rehearsal",
         {{"orchestrator/definition", "orchestrator/core", "orchestrator/expression", "base"},
          true}},
        {"orchestrator/runtime", {{"orchestrator/core", "orchestrator/expression", "base"}, false}},
        {"orchestrator/messaging",
         {{"orchestrator/runtime", "orchestrator/core", "contract", "amqp/client", "amqp", "net",
           "base"},
          false}},
        {"orchestrator",
         {{"orchestrator/core", "orchestrator/expression", "orchestrator/definition",
           "orchestrator/hook", "orchestrator/schedule", "orchestrator/runtime",
           "orchestrator/messaging", "amqp/client", "net", "base"},
          false}},
        {"db", {{"orchestrator/runtime", "orchestrator/core", "base"}, false}},
        {"workers", {{"contract", "amqp/client", "amqp", "net", "base"}, false}},
        {"sandbox", {{"net", "base"}, false}},
        {"ui", {{}, true}},
        {"web",
         {{"broker/runtime", "broker/core", "orchestrator/graph", "orchestrator/definition",
           "orchestrator/runtime", "orchestrator/core", "orchestrator/expression", "amqp/client",
           "amqp", "ui", "net", "base"},
          false}},
        {"server",
         {{"base",
           "net",
           "mqtt",
           "amqp",
           "amqp/client",
           "contract",
           "broker",
           "broker/core",
           "broker/mqtt",
           "broker/runtime",
           "broker/net",
           "broker/journal",
           "orchestrator",
           "orchestrator/core",
           "orchestrator/definition",
           "orchestrator/expression",
           "orchestrator/runtime",
           "orchestrator/messaging",
           "db",
           "web"},
          false}},
        {"cli",
         {{"server", "workers", "sandbox", "orchestrator/graph", "orchestrator/rehearsal",
           "orchestrator/definition", "orchestrator/core", "orchestrator/expression", "net",
           "base"},
          false}},
    };
    return table;
}

// What a pure room may take from the standard library and Boost. Anything else is an edge's.
const std::set<std::string_view> pure_headers{
    "algorithm",     "any",           "array",       "bit",        "bitset",
    "cctype",        "charconv",      "chrono",      "climits",    "cmath",
    "compare",       "concepts",      "cstddef",     "cstdint",    "cstdlib",
    "cstring",       "deque",         "exception",   "functional", "initializer_list",
    "iterator",      "limits",        "list",        "map",        "memory",
    "new",           "numeric",       "optional",    "queue",      "ranges",
    "set",           "span",          "stdexcept",   "string",     "string_view",
    "system_error",  "tuple",         "type_traits", "typeinfo",   "unordered_map",
    "unordered_set", "utility",       "variant",     "vector",     "cerrno",
    "cinttypes",     "bits/utility.h"};

bool is_pure_foreign_header(std::string_view header) {
    return pure_headers.contains(header) || header.starts_with("boost/system/") ||
           header.starts_with("boost/json") || header.starts_with("fmt/") ||
           header == "re2/re2.h" || header == "openssl/sha.h";
}

// Words that belong to few files: where they may stand, each with its reason, and what to do
// instead. A file that does not say its word any more loses its line.
struct Reserved {
    std::string word;
    std::map<std::string, std::string> files;
    std::string instead;
};

const std::vector<Reserved>& reserved_words() {
    static const std::vector<Reserved> words{
        {"std::thread",
         {{"base/thread.cpp", "the one place"}, {"base/thread.hpp", "the one place"}},
         "use base/thread.hpp"},
        {"std::jthread", {}, "use base/thread.hpp"},
        {"std::mutex",
         {{"base/mailbox.hpp", "the hand-over between threads"},
          {"orchestrator/runtime/held_tasks.hpp",
           "a list that the web reads while the engine writes it"},
          {"orchestrator/runtime/pauses.hpp",
           "a list that the web reads while the engine writes it"},
          {"server/server.cpp",
           "the broker's thread tells the orchestrator, which begins later and ends sooner"}},
         "hand the thing over by base/mailbox.hpp; a second mutex means that a hand-over is "
         "missing"},
        {"std::shared_mutex", {}, "hand the thing over by base/mailbox.hpp"},
        {"std::recursive_mutex", {}, "hand the thing over by base/mailbox.hpp"},
        {"std::condition_variable",
         {{"base/mailbox.hpp", "the hand-over between threads"}},
         "wait with base/mailbox.hpp"},
        {"std::atomic",
         {{"base/claim.hpp", "who asked and who decides: one wins"},
          {"base/log.cpp", "the form of its lines, chosen before threads start"},
          {"base/metrics.hpp", "counters that anybody reads"},
          {"base/reference_count.hpp", "bytes that several threads hold"},
          {"broker/journal/journal_thread.hpp",
           "how much waits to be written, for who must slow down"},
          {"broker/journal/posix_file.cpp", "the spare segment, which two threads may take"},
          {"broker/broker_service.cpp",
           "that it ends, and which definitions there are, for other threads"},
          {"broker/net/connections.hpp", "how many connections there are"},
          {"broker/net/link.cpp", "the number of a connection inside"},
          {"broker/net/held_memory.hpp", "how much the outboxes hold"},
          {"broker/runtime/inlet.hpp", "how much waits for the core"},
          {"cli/children.hpp", "a signal handler reads the process's number"},
          {"cli/fail_points.cpp", "how often a place is still to be passed"},
          {"cli/follow.cpp", "a signal handler counts"},
          {"db/postgres_session.cpp", "the socket that another thread may cut off"}},
         "share nothing, or a single number: then add the file here with its reason"},
        {"catch (",
         {{"base/thread.cpp", "the end of a thread"},
          {"broker/net/listener.cpp", "the end of a coroutine"},
          {"cli/input.cpp", "std::stod"},
          {"cli/main.cpp", "the end of the program, CLI11"},
          {"db/postgres_session.cpp", "libpqxx"},
          {"server/amqp_requests.cpp", "the end of a coroutine"},
          {"web/http/await_reply.hpp", "the end of a coroutine"},
          {"web/http/http_server.cpp", "the end of a coroutine, a request's handler"},
          {"web/runs/store_reader.hpp", "a stored row that is no JSON"},
          {"web/runs/store_writer.cpp", "likewise"},
          {"base/json_schema.cpp", "valijson"},
          {"workers/mail/check.cpp", "libpqxx"},
          {"workers/mail/mariadb.cpp", "its own errors, thrown through callbacks"},
          {"workers/mail/postgres.cpp", "libpqxx"},
          {"workers/worker.cpp", "a task's handler"}},
         "return a Result; exceptions are caught at the border to a library and at the end of a "
         "thread or coroutine"},
        {"co_spawn(",
         {{"broker/net/listener.cpp", "one for each connection"},
          {"orchestrator/messaging/messaging.cpp",
           "one for each call of a worker, and for its loops"},
          {"orchestrator/messaging/neighbours.cpp",
           "one for each request to another owner, and for each answer"},
          {"orchestrator/orchestrator_service.cpp", "one for each loop"},
          {"sandbox/sandbox.cpp", "one for each service"},
          {"sandbox/http_service.cpp", "one for each connection"},
          {"sandbox/smtp_service.cpp", "one for each connection"},
          {"server/amqp_requests.cpp", "one for each request"},
          {"web/http/http_server.cpp", "one for each connection"},
          {"web/v1/v1_events.cpp", "one that wakes all who listen"},
          {"workers/check_broker.cpp", "one for the question"},
          {"workers/key_locks.cpp", "one for the session that holds the locks"},
          {"workers/worker.cpp", "one for each delivery"}},
         "await the coroutine where it is needed; only listeners, services and workers spawn"},
        {"system_clock::now",
         {{"base/clock.cpp", "the one place"}},
         "take a Clock, or the `now` of the event"},
        {"std::random_device", {}, "use base/random.hpp"},
        {".detach()",
         {{"base/thread.cpp", "the one place"}},
         "own the thread or the coroutine and wait for it"},
        {".abandon()",
         {{"server/backups.cpp", "a copy onto a file system that hangs"},
          {"server/workflow_folder.cpp", "a look into a folder of such a one"}},
         "own the thread and wait for it"},
        {"asio::detached", {}, "give co_spawn a handler that reports a stray exception"},
    };
    return words;
}

// The rooms whose headers may speak of Asio; in all others it stays in a .cpp.
const std::set<std::string>& asio_rooms() {
    static const std::set<std::string> rooms{
        "net", "amqp/client", "broker/net", "orchestrator/messaging", "sandbox", "web", "workers"};
    return rooms;
}

// Which files may stand where: by name or by extension. A folder without a line has the table of
// the folder above it, except that of the root, which is for itself. What a program leaves behind
// (a log, a dump, an editor's copy) has no place here; such a program writes below /tmp or build/.
const std::map<std::string, std::set<std::string>>& places() {
    static const std::set<std::string> room{".cpp", ".hpp", "CMakeLists.txt", "README.md"};
    static const auto with = [](std::set<std::string> more) {
        more.insert(room.begin(), room.end());
        return more;
    };
    static const std::map<std::string, std::set<std::string>> table{
        {"",
         {".clang-format", ".clang-tidy", ".dockerignore", ".editorconfig", ".gitignore",
          "CMakeLists.txt", "CMakePresets.json", "Dockerfile", "LICENSE", "README.md",
          "compose.yaml"}},
        {".ci", {"run"}},
        {"amqp", room},
        {"base", room},
        {"bench", with({"curves", "rabbitmq", "run-broker", "run-floods", "run-mqtt",
                        "run-plain-client", "run-rpc", "run-soak", "run-workflows"})},
        {"bench/broker", {".cpp", ".h", ".sh"}},
        {"bench/core", {".cpp", ".hpp"}},
        {"bench/flood", {".mjs"}},
        {"bench/mqtt", {".cpp"}},
        {"bench/plain_client", {".mjs"}},
        {"bench/rpc", {".cpp"}},
        {"bench/workflows", {".cpp", ".toml"}},
        {"broker", room},
        {"cli", room},
        {"cmake", {".cmake"}},
        {"contract", room},
        {"db", with({"migrations.cpp.in"})},
        {"db/migrations", {".sql"}},
        {"deploy",
         {".toml", ".yaml", "backup", "change-password", "make-secrets", "restore", "worker"}},
        {"deploy/debian",
         {".env", ".service", ".conf", ".toml", ".completion", ".in", "conffiles", "copyright",
          "lintian-overrides", "postinst", "postrm", "prerm"}},
        {"deploy/cluster", {"Dockerfile", "env", "start"}},
        {"deploy/demo", {"Dockerfile", "env", "start", ".cf", ".conf", ".sql"}},
        {"deploy/grafana", {".json"}},
        {"deploy/kubernetes", {".yaml"}},
        {"deploy/mail", {"archive-former-mail"}},
        {"deploy/prometheus", {".yaml"}},
        {"deploy/tls-proxy", {"Dockerfile", ".conf"}},
        {"docs", {".md"}},
        {"docs/page", {".webp"}},
        {"examples", {"README.md"}},
        {"examples/browser", {".html"}},
        {"examples/c", {".c"}},
        {"examples/node", {".mjs", "package.json"}},
        {"examples/php", {".php"}},
        {"examples/python", {".py"}},
        {"examples/ruby", {".rb"}},
        {"examples/shell", {".sh"}},
        {"mqtt", room},
        {"net", room},
        {"orchestrator", room},
        {"sandbox", room},
        {"scripts",
         {"bare", "build", "campaign", "demo", "engine", "format", "package", "packages.txt",
          "real-redmine", "setup", "test"}},
        {"scripts/postgres-image", {"Dockerfile", "docker-entrypoint.sh"}},
        {"sdk/python",
         {".py", "LICENSE", "MANIFEST.in", "README.md", "py.typed", "pyproject.toml"}},
        {"sdk/typescript",
         {".mjs", ".ts", "LICENSE", "README.md", "package-lock.json", "package.json",
          "tsconfig.json"}},
        {"server", room},
        {"tests", room},
        {"tests/broker/scenarios", with({".txt"})},
        {"tests/conformance", with({".py"})},
        {"tests/conformance/clients", {".cjs", ".go", ".java", ".php", ".py", ".rb"}},
        {"tests/conformance/expected", {".txt"}},
        {"tests/house", with({"unformatted.txt"})},
        {"tests/integration", with({".py"})},
        {"tests/model", with({".pml", ".py"})},
        {"tests/orchestrator/definition/broken", {".toml", ".txt"}},
        {"tests/orchestrator/expression/cel", {".jsonl", "NOTICE"}},
        {"tests/orchestrator/scenarios", with({".txt"})},
        {"tests/kubernetes", with({".json", ".mjs", ".py"})},
        {"tests/check", {".toml", ".txt"}},
        {"tests/page", {".json", ".mjs", ".ts", "CMakeLists.txt"}},
        {"tests/patterns", {".toml"}},
        {"tests/system", with({".py"})},
        {"tests/system/definitions", {".json"}},
        {"tests/system/node", {".json", ".mjs"}},
        {"tests/system/sdk", {".mjs", ".py"}},
        {"tests/system/shapes", {".json"}},
        {"tests/web/openapi", {".json", ".mjs"}},
        {"tests/workers", with({".sql"})},
        {"tests/workers/slack_contract", {".json", ".py", "NOTICE"}},
        {"ui", with({".hpp", ".html", ".json", ".mjs", ".ts"})},
        {"ui/src", {".css", ".ts", ".tsx"}},
        {"web", with({"openapi.yaml"})},
        {"web/v1", with({"openapi.cpp.in"})},
        {"workers", room},
        {"workflows", {".toml"}},
    };
    return table;
}

// What may lie on somebody's machine and never becomes part of the house: .gitignore names it too.
bool is_private(const std::string& name) {
    static const std::set<std::string> names{".git",       "build",        "dist",
                                             "baton-data", "node_modules", "__pycache__",
                                             "secrets",    ".env",         "compose.override.yaml"};
    return names.contains(name) || name.ends_with(".swp") || name.ends_with(".egg-info");
}

struct Line {
    std::string file; // from the root
    int number = 0;
    std::string text;
};

std::string room_of(const std::string& file) {
    const auto slash = file.rfind('/');
    std::string folder = slash == std::string::npos ? "" : file.substr(0, slash);
    while (!folder.empty() && !rooms().contains(folder)) {
        const auto up = folder.rfind('/');
        folder = up == std::string::npos ? "" : folder.substr(0, up);
    }
    return folder;
}

std::vector<std::string> product_files() {
    std::vector<std::string> files;
    const fs::path root = BATON_SOURCE_DIR;
    for (const auto& [room, rules] : rooms()) {
        const fs::path folder = root / room;
        if (!fs::exists(folder)) continue;
        for (const auto& entry : fs::recursive_directory_iterator(folder)) {
            const auto extension = entry.path().extension();
            if (extension != ".hpp" && extension != ".cpp") continue;
            files.push_back(fs::relative(entry.path(), root).generic_string());
        }
    }
    std::sort(files.begin(), files.end());
    files.erase(std::unique(files.begin(), files.end()), files.end());
    return files;
}

std::string without_comment(std::string text) {
    if (const auto comment = text.find("//"); comment != std::string::npos) text.resize(comment);
    return text;
}

template <typename Visit>
void for_each_line(Visit visit) {
    for (const auto& file : product_files()) {
        std::ifstream in(fs::path(BATON_SOURCE_DIR) / file);
        Line line{file, 0, {}};
        for (std::string text; std::getline(in, text);) {
            ++line.number;
            line.text = text;
            visit(line);
        }
    }
}

// The header named by an #include line, with its first delimiter; empty if it is none.
std::pair<char, std::string> included(const std::string& text) {
    if (!text.starts_with("#include ")) return {};
    const char open = text.size() > 9 ? text[9] : '\0';
    const auto end = text.find(open == '<' ? '>' : '"', 10);
    if (end == std::string::npos) return {};
    return {open, text.substr(10, end - 10)};
}

TEST(House, RoomsIncludeOnlyTheRoomsTheirTableNames) {
    for_each_line([](const Line& line) {
        const auto [open, header] = included(line.text);
        if (open != '"') return;
        const auto from = room_of(line.file);
        const auto to = room_of(header);
        if (to.empty() || from == to) return;
        const auto& allowed = rooms().at(from).may_include;
        EXPECT_TRUE(std::find(allowed.begin(), allowed.end(), to) != allowed.end())
            << line.file << ":" << line.number << ": " << from << " may not include " << to
            << "; hand it in from outside, or move the shared part to a lower floor";
    });
}

TEST(House, PureRoomsTouchNoClockDiskSocketOrThread) {
    for_each_line([](const Line& line) {
        if (!rooms().at(room_of(line.file)).pure) return;
        const auto [open, header] = included(line.text);
        if (open != '<') return;
        EXPECT_TRUE(is_pure_foreign_header(header))
            << line.file << ":" << line.number << ": <" << header
            << "> has no place in a pure room; let an edge do it and hand the result in";
    });
}

TEST(House, ReservedWordsStandOnlyInTheirFiles) {
    std::set<std::pair<std::string, std::string>> seen;
    for_each_line([&](const Line& line) {
        const auto text = without_comment(line.text);
        for (const Reserved& word : reserved_words()) {
            if (text.find(word.word) == std::string::npos || text.starts_with("#include")) continue;
            seen.emplace(word.word, line.file);
            EXPECT_TRUE(word.files.contains(line.file))
                << line.file << ":" << line.number << ": " << word.word << ": " << word.instead;
        }
    });
    for (const Reserved& word : reserved_words())
        for (const auto& [file, reason] : word.files)
            EXPECT_TRUE(seen.contains({word.word, file}))
                << "tests/house/house_test.cpp:1: " << file << " does not say " << word.word
                << " any more; delete its line";
}

TEST(House, AsioStaysOutOfOtherRoomsHeaders) {
    for_each_line([](const Line& line) {
        const auto [open, header] = included(line.text);
        if (open != '<' || !line.file.ends_with(".hpp")) return;
        if (!header.starts_with("boost/asio") && !header.starts_with("boost/beast")) return;
        EXPECT_TRUE(asio_rooms().contains(room_of(line.file)))
            << line.file << ":" << line.number << ": Asio in a header of " << room_of(line.file)
            << "; include it in the .cpp and keep what needs it behind a declaration";
    });
}

TEST(House, EveryHeaderIsIncludedBySomebodyElse) {
    std::map<std::string, std::set<std::string>> included_by;
    for_each_line([&](const Line& line) {
        const auto [open, header] = included(line.text);
        if (open == '"') included_by[header].insert(line.file);
    });
    for (const auto& file : product_files()) {
        if (!file.ends_with(".hpp")) continue;
        auto by = included_by[file];
        by.erase(fs::path(file).replace_extension(".cpp").generic_string());
        EXPECT_FALSE(by.empty())
            << file
            << ":1: no file of the product includes it; delete it, or move it to tests/support";
    }
}

TEST(House, EveryFileBeginsByTellingWhatItIs) {
    for (const auto& file : product_files()) {
        if (!file.ends_with(".hpp")) continue;
        std::ifstream in(fs::path(BATON_SOURCE_DIR) / file);
        std::string first;
        std::getline(in, first);
        if (first == "#pragma once") {
            // A header may also tell it right after its includes.
            std::stringstream rest;
            rest << in.rdbuf();
            EXPECT_NE(rest.str().find("\n// "), std::string::npos)
                << file << ":1: say what this file is";
            continue;
        }
        EXPECT_TRUE(first.starts_with("//"))
            << file << ":1: begin with a comment that says what this is";
    }
}

// A list of names that a loop makes files of counts, too.
bool lists(const std::string& content, const fs::path& file) {
    if (content.find(file.filename().string()) != std::string::npos) return true;
    std::istringstream words(content.find("}.cpp") == std::string::npos ? "" : content);
    for (std::string word; words >> word;) {
        while (word.ends_with(')'))
            word.pop_back();
        if (word == file.stem().string()) return true;
    }
    return false;
}

// A test that nobody builds passes for ever.
TEST(House, EverySourceIsBuilt) {
    const fs::path root = BATON_SOURCE_DIR;
    const auto content_of = [](const fs::path& file) {
        std::ifstream in(file);
        std::stringstream content;
        content << in.rdbuf();
        return content.str();
    };
    const char* const said = ":1: no CMakeLists.txt lists it; build it or delete it";
    for (const auto& file : product_files()) {
        if (!file.ends_with(".cpp")) continue;
        bool listed = false;
        for (fs::path up = fs::path(file).parent_path(); !up.empty() && !listed;
             up = up.parent_path())
            listed = lists(content_of(root / up / "CMakeLists.txt"), file);
        EXPECT_TRUE(listed) << file << said;
    }
    // Tests take what they share from each other's folders.
    std::vector<fs::path> sources;
    std::vector<std::string> listings;
    for (auto at = fs::recursive_directory_iterator(root / "tests");
         at != fs::recursive_directory_iterator(); ++at) {
        if (is_private(at->path().filename().string())) at.disable_recursion_pending();
        if (at->path().extension() == ".cpp") sources.push_back(at->path());
        if (at->path().filename() == "CMakeLists.txt") listings.push_back(content_of(at->path()));
    }
    for (const fs::path& file : sources)
        EXPECT_TRUE(std::ranges::any_of(
            listings, [&](const std::string& content) { return lists(content, file); }))
            << fs::relative(file, root).generic_string() << said;
}

TEST(House, EveryFileStandsWhereItsKindBelongs) {
    const fs::path root = BATON_SOURCE_DIR;
    const auto allowed_in = [](std::string folder) {
        while (!places().contains(folder)) {
            const auto up = folder.rfind('/');
            if (up == std::string::npos) return std::set<std::string>{};
            folder.resize(up);
        }
        return places().at(folder);
    };
    int seen = 0;
    for (auto at = fs::recursive_directory_iterator(root); at != fs::recursive_directory_iterator();
         ++at) {
        const std::string name = at->path().filename().string();
        if (is_private(name)) {
            at.disable_recursion_pending();
            continue;
        }
        if (at->is_directory()) continue;
        ++seen;
        const auto file = fs::relative(at->path(), root);
        const auto folder = file.parent_path().generic_string();
        const auto allowed = allowed_in(folder);
        EXPECT_TRUE(allowed.contains(name) ||
                    (!folder.empty() && allowed.contains(at->path().extension().string())))
            << file.generic_string()
            << ":1: no such file belongs here; delete it and mend what wrote it, or give "
            << "its kind a line in the table of places";
    }
    EXPECT_GT(seen, 500);
}

TEST(House, LinksInDocumentsLeadSomewhere) {
    const fs::path root = BATON_SOURCE_DIR;
    std::vector<fs::path> documents{root / "README.md"};
    if (fs::exists(root / "docs"))
        for (const auto& entry : fs::recursive_directory_iterator(root / "docs"))
            if (entry.path().extension() == ".md") documents.push_back(entry.path());
    for (const auto& document : documents) {
        std::ifstream in(document);
        int number = 0;
        for (std::string text; std::getline(in, text);) {
            ++number;
            for (auto at = text.find("]("); at != std::string::npos; at = text.find("](", at + 2)) {
                auto target = text.substr(at + 2, text.find(')', at) - at - 2);
                if (target.starts_with("http") || target.starts_with("#") || target.empty())
                    continue;
                target = target.substr(0, target.find('#'));
                EXPECT_TRUE(fs::exists(document.parent_path() / target))
                    << fs::relative(document, root).string() << ":" << number << ": the link to "
                    << target << " leads nowhere";
            }
        }
    }
}

TEST(House, NoMarkersAreLeftBehind) {
    for_each_line([](const Line& line) {
        for (const char* marker : {"TODO", "FIXME", "XXX"})
            EXPECT_EQ(line.text.find(marker), std::string::npos)
                << line.file << ":" << line.number << ": finish it or open an issue for it";
    });
}

} // namespace
