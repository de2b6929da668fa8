// How long the search of runs takes on many runs, in both stores: a million finished and open runs of twenty
// workflows over a hundred days, with a label of five values, a user out of fifty thousand and an order number
// of its own each, are written straight into the tables; then each question is asked a few times, cold first.
// The bound is 50 ms. PostgreSQL is a throwaway server on this machine unless a URL is given:
//   store_search [RUNS] [URL...]
#include "base/random.hpp"
#include "bench/each_store.hpp"
#include "db/open_store.hpp"
#include "db/sqlite.hpp"
#include "orchestrator/runtime/run_query.hpp"

#include <fmt/format.h>
#include <pqxx/nontransaction>
#include <pqxx/connection>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

namespace baton {
namespace {

using namespace orchestrator::runtime;
using std::chrono::steady_clock;

constexpr Time last_start = time_from_micros(1'767'225'600'000'000);
constexpr std::int64_t span_millis = 100LL * 86'400'000;

double millis_since(steady_clock::time_point start) {
    return std::chrono::duration<double, std::milli>(steady_clock::now() - start).count();
}

using Run = std::function<void(const std::string&)>;

// Rows come from a counter n of 0 to `runs` - 1. What differs between the dialects stands in braces.
void fill(const Run& run, bool is_sqlite, std::uint64_t runs) {
    const std::int64_t first = millis_of(last_start) - span_millis;
    const std::string series = is_sqlite
        ? fmt::format("with recursive s(n) as (select 0 union all select n + 1 from s where n < {}) ", runs - 1)
        : fmt::format("with s(n) as (select n::bigint from generate_series(0, {}) n) ", runs - 1);
    const std::string ms = fmt::format("({} + n * {} / {})", first, span_millis, runs);
    const auto hex = [&](const std::string& number, int digits) {
        return is_sqlite ? fmt::format("printf('%0{}x', {})", digits, number) : fmt::format("lpad(to_hex({}), {}, '0')", number, digits);
    };
    const std::string id = fmt::format("({} || '-' || {} || '-7' || {} || '-8' || {} || '-' || {}){}", hex(ms + " / 65536", 8),
                                       hex(ms + " % 65536", 4), hex("n % 4096", 3), hex("n * 7 % 4096", 3), hex("n", 12),
                                       is_sqlite ? "" : "::uuid");
    const auto at = [&](const std::string& millis) {
        return is_sqlite ? fmt::format("({}) * 1000", millis) : fmt::format("to_timestamp(({}) / 1000.0)", millis);
    };
    // 97.4 % completed, 2 % failed, 0.5 % cancelled, 0.1 % running.
    const std::string status = "case when n % 1000 = 17 then 2 when n % 200 = 3 then 7 when n % 50 = 9 then 6 else 5 end";
    const std::string document = "'{\"text\":\"" + std::string(280, 'x') + "\"}'";
    run(series + fmt::format(
        "insert into run (run_id, part, definition_id, workflow, workflow_version, status, version, started_at, closed_at, state, "
        "input, output, error_type, error, tags) select {}, n % 64, 1 + n % 20, 'workflow-' || (n % 20), 1, {}, 7, {}, "
        "case when n % 1000 = 17 then null else {} end, {}, {}, {}, case when n % 1000 <> 17 and n % 200 <> 3 and n % 50 = 9 then "
        "case when n % 100 = 9 then 'mail.smtp' else 'http.503' end else '' end, '', "
        "'{{\"label.team\":\"team-' || (n % 5) || '\",\"input.user\":\"user-' || (n * 7919 % 50000) || '\",\"input.order\":\"' || n || '\"}}' from s",
        id, status, at(ms), at(ms + " + 2000 + n % 600000"), document, document, document));
    for (const auto& [name, value] : {std::pair("label.team", "'team-' || (n % 5)"), std::pair("input.user", "'user-' || (n * 7919 % 50000)"),
                                      std::pair("input.order", is_sqlite ? "cast(n as text)" : "n::text")})
        run(series + fmt::format("insert into run_tag (name, value, run_id) select '{}', {}, {} from s", name, value, id));
    run(series + fmt::format("insert into start_key (workflow, key, run_id, input_sha256{0}) select 'workflow-' || (n % 20), "
                             "'order-' || n, {1}, {2} from s",
                             is_sqlite ? "" : ", at", id, is_sqlite ? "''" : "''::bytea, now()"));
}

bool prepare(const std::string& url, std::uint64_t runs) {
    auto store = db::open_store(url);
    if (!store) return false;
    for (int i = 0; i < 20; ++i)
        if (!(*store)->save_definition(fmt::format("workflow-{}", i), "x", "x", std::string(32, static_cast<char>('a' + i)), last_start)) return false;
    const auto start = steady_clock::now();
    if (url.starts_with("sqlite:")) {
        auto database = db::Sqlite::open(url.substr(7), db::Sqlite::Access::write);
        if (!database) return false;
        bool well = bool(database->execute("pragma synchronous = off; pragma cache_size = -200000; begin"));
        fill([&](const std::string& sql) {
            const auto done = database->execute(sql);
            if (!done) fmt::print(stderr, "{}\n", done.error().detail);
            well = well && done;
        }, true, runs);
        if (!well || !database->execute("commit; pragma wal_checkpoint(truncate)")) return false;
    } else {
        pqxx::connection connection(url);
        pqxx::nontransaction work(connection);
        fill([&](const std::string& sql) { work.exec(sql); }, false, runs);
        work.exec("vacuum analyze");
    }
    fmt::print("{}: {} runs written in {:.0f} s\n", url.substr(0, url.find(':')), runs, millis_since(start) / 1000);
    return true;
}

void ask(RunQueries& queries, const std::string& text) {
    const auto search = parse_run_query(text, last_start);
    if (!search) return fmt::print("{}: {}\n", text, search.error().detail);
    std::vector<double> pages;
    std::vector<double> counts;
    std::size_t found = 0;
    bool has_more = false;
    std::string totals;
    for (int i = 0; i < 5; ++i) {
        auto start = steady_clock::now();
        const auto page = queries.search(*search, {}, 50);
        pages.push_back(millis_since(start));
        if (!page) return fmt::print("{}: {}\n", text, page.error().detail);
        found = page->runs.size();
        has_more = page->next.has_value();
        start = steady_clock::now();
        const auto counted = queries.totals(*search);
        counts.push_back(millis_since(start));
        if (!counted) return fmt::print("{}: {}\n", text, counted.error().detail);
        totals = counted->is_exact ? "" : ">=";
        std::uint64_t sum = 0;
        for (const auto& [status, count] : counted->by_status) sum += count;
        totals += std::to_string(sum);
    }
    const auto first_page = pages.front();
    const auto first_count = counts.front();
    std::ranges::sort(pages);
    std::ranges::sort(counts);
    fmt::print("  {:<64} {:>3} runs{} page first {:>6.1f} median {:>6.1f} ms, totals {:>8} first {:>6.1f} median {:>6.1f} ms\n", text, found,
               has_more ? ", more" : "      ", first_page, pages[2], totals, first_count, counts[2]);
}

bool measure(const std::string& url, std::uint64_t runs) {
    if (!prepare(url, runs)) return false;
    auto queries = db::open_queries(url);
    if (!queries) return false;
    for (const char* text :
         {"", "status:completed", "status:failed", "status:running", "status:open", "workflow:workflow-7", "workflow:workflow-*",
          "workflow:workflow-9 status:failed", "since:2d", "since:90d until:80d", "until:99d", "status:failed since:1h",
          "ended_since:1d", "ended_since:50d ended_until:49d status:failed", "label.team=team-3", "label.team=team-3 status:failed",
          "label.team=team-3 status:running", "label.team=team-3 label.team=team-4 workflow:workflow-4", "label.team=nobody",
          "label.team=team-* status:cancelled", "input.user=user-77", "input.user=user-7*", "input.order=777777", "input.order=9999*",
          "input.order=9*", "error:mail.*", "error:mail.smtp since:1d", "error:http.503 label.team=team-4", "key:order-123456",
          "key:order-99*", "key:order-*", "ended_since:1d label.team=team-1", "label.team=team-0 workflow:workflow-1"})
        ask(**queries, text);
    return true;
}

int run(int argc, char** argv) {
    const std::uint64_t runs = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1'000'000;
    return on_each_store({argv + std::min(argc, 2), argv + argc}, [runs](const std::string& url) { return measure(url, runs); });
}

} // namespace
} // namespace baton

int main(int argc, char** argv) {
    return baton::run(argc, argv);
}
