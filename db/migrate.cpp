// Decides which migrations are missing, and applies them to SQLite. PostgreSQL's part stands in
// postgres_session.cpp, where its exceptions are caught.
#include "db/migrate.hpp"

#include "base/crc32c.hpp"
#include "orchestrator/runtime/run_store.hpp"

#include <fmt/format.h>

namespace baton::db {

using orchestrator::runtime::StoreErrc;

std::string checksum_of(const Migration& migration) {
    return fmt::format("{:08x}", crc32c(as_bytes(migration.sql)));
}

Outcome<std::span<const Migration>> missing_migrations(std::span<const Migration> known,
                                                       const std::vector<AppliedMigration>& applied,
                                                       std::string_view where) {
    for (std::size_t index = 0; index < applied.size(); ++index) {
        const AppliedMigration& there = applied[index];
        if (index >= known.size())
            return Failure{
                StoreErrc::refused,
                fmt::format("the database {} was written by a newer Baton (migration {} "
                            "\"{}\"; this one knows {}). Use that version or newer; going "
                            "back would lose data",
                            where, there.number, there.name, known.size())};
        const Migration& ours = known[index];
        if (there.number != ours.number || there.checksum != checksum_of(ours))
            return Failure{
                StoreErrc::refused,
                fmt::format("the database {} has a migration {} \"{}\" that differs from "
                            "this program's {} \"{}\": it was made by a different build. "
                            "Use that build, or another database",
                            where, there.number, there.name, ours.number, ours.name)};
    }
    return known.subspan(applied.size());
}

namespace {

Outcome<std::vector<AppliedMigration>> applied_migrations(Sqlite& database) {
    BATON_ASSIGN(SqliteStatement select,
                 database.prepare("select number, name, checksum from migration order by number"));
    std::vector<AppliedMigration> applied;
    while (true) {
        BATON_ASSIGN(const bool has_row, select.step());
        if (!has_row) return applied;
        applied.push_back({static_cast<int>(select.number(0)), select.text(1), select.text(2)});
    }
}

} // namespace

Outcome<void> migrate(Sqlite& database, std::span<const Migration> known) {
    BATON_ASSIGN(SqliteTransaction transaction, SqliteTransaction::begin(database));
    BATON_TRY(database.execute("create table if not exists migration ("
                               "number integer primary key, name text not null, "
                               "checksum text not null, applied_at text not null)"));
    BATON_ASSIGN(const auto applied, applied_migrations(database));
    BATON_ASSIGN(const auto missing, missing_migrations(known, applied, database.path()));
    for (const Migration& migration : missing) {
        BATON_TRY(database.execute(std::string(migration.sql)));
        BATON_ASSIGN(SqliteStatement note,
                     database.prepare("insert into migration values (?, ?, ?, datetime('now'))"));
        const std::string checksum = checksum_of(migration);
        BATON_TRY(note.with(migration.number, migration.name, checksum).run());
    }
    return transaction.commit();
}

} // namespace baton::db
