// The bodies of store_kit.hpp.
#include "tests/db/store_kit.hpp"

#include <fmt/format.h>

#include <cstdlib>

namespace baton::db::testing {

TemporaryFolder::TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "baton-db-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a folder");
    path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

Place::Place(Kind kind) {
    switch (kind) {
    case Kind::sqlite:
        url_ = "sqlite:" + folder_.file("baton.db");
        break;
    case Kind::postgres:
        url_ = baton::testing::Postgres::shared().new_database_url();
        break;
    case Kind::simulated:
        simulated_ = std::make_unique<test::SimDatabase>();
        break;
    }
}

std::unique_ptr<RunStore> Place::store() const {
    if (simulated_) return std::make_unique<test::SimStore>(*simulated_);
    return value_of(open_store(url_));
}
std::unique_ptr<RunQueries> Place::queries() const {
    return value_of(open_queries(url_));
}

std::string run_id(int number) {
    return fmt::format("01890000-{:04x}-7000-8{:03x}-0000000000aa", number & 0xffff, number >> 16);
}

Time time_at(int second) {
    return time_from_micros(1'767'225'600'000'000 + second * 1'000'001LL);
}

RunChange step(int run, std::uint64_t version, std::uint64_t pseq) {
    RunChange change;
    change.run_id = run_id(run);
    change.version = version;
    change.state = fmt::format(R"({{"at":{}}})", version);
    change.pseq = pseq;
    change.at = time_at(static_cast<int>(pseq));
    change.events = fmt::format(R"([{{"event":{}}}])", pseq);
    return change;
}

RunChange birth(int run, std::uint64_t pseq) {
    RunChange change = step(run, 1, pseq);
    NewRun created;
    created.definition_id = 7;
    created.workflow = "greet";
    created.workflow_version = 3;
    created.started_at = time_at(run);
    created.input = R"({"name":"Ada"})";
    change.created = created;
    return change;
}

DeadLetter letter(int run, const std::string& step) {
    DeadLetter letter;
    letter.at = time_at(run);
    letter.reason = "exhausted";
    letter.task = "mail.create";
    letter.run_id = run_id(run);
    letter.workflow = "greet";
    letter.workflow_version = 3;
    letter.step = step;
    letter.attempts = 5;
    letter.error_type = "http.503";
    letter.error = R"({"detail":"busy"})";
    letter.input = R"({"to":"ada"})";
    letter.message = "{}";
    return letter;
}

OwnedPartition take(RunStore& store, Partition part) {
    const Partition parts[] = {part};
    return value_of(store.take_over(parts, "node-1")).at(0);
}

Outcome<Committed> try_commit(RunStore& store, OwnedPartition& owned, std::vector<RunChange> runs) {
    Batch batch;
    OwnedPartition next = owned;
    for (RunChange& change : runs) {
        change.part = owned.part;
        next.pseq = std::max(next.pseq, change.pseq);
    }
    batch.fences = {next};
    batch.runs = std::move(runs);
    auto committed = store.commit(batch);
    if (committed && committed->fenced.empty()) owned = next;
    return committed;
}

Committed commit(RunStore& store, OwnedPartition& owned, std::vector<RunChange> runs) {
    return value_of(try_commit(store, owned, std::move(runs)));
}

std::optional<StoredRun> load_one(RunStore& store, int run) {
    const std::string ids[] = {run_id(run)};
    auto runs = value_of(store.load(ids));
    if (runs.empty()) return std::nullopt;
    return runs.front();
}

} // namespace baton::db::testing
