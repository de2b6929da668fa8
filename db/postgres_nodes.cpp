// A session's advisory lock ends with its socket: the server tells of a death at once.
#include "db/postgres_nodes.hpp"

#include "db/postgres_rows.hpp"

#include <fmt/format.h>
#include <pqxx/nontransaction>

namespace baton::db {

using namespace runtime;

namespace {

// "bato": the class of the locks; with the node's key the whole lock.
constexpr int lock_class = 1650553967;

std::string held_by(const char* whose) {
    return fmt::format(
        "exists (select 1 from pg_locks l where l.locktype = 'advisory' and l.classid = {}::oid "
        "and "
        "l.objid = n.lock_key::oid and l.objsubid = 2 and l.granted and "
        "l.database = (select oid from pg_database where datname = current_database()) {})",
        lock_class, whose);
}

std::string node_text(const pqxx::row& row, int column) {
    return row[column].as<std::string>();
}

} // namespace

Neighbourhood announce(pqxx::connection& connection, const Announcement& said) {
    {
        pqxx::nontransaction work(connection);
        // Taken once for each session, however often this is said; and before the row says so, or whoever looks
        // in between sees a death. The key is a number of the name; of two names with one number one seems to
        // live as long as the other does.
        work.exec_params(fmt::format("select pg_try_advisory_lock({}, n.lock_key) from "
                                     "(select hashtext($1) & 2147483647 as lock_key) n where not {}",
                                     lock_class, held_by("and l.pid = pg_backend_pid()")),
                         clean_text(said.node));
        if (said.renews)
            work.exec_params(
                "insert into node (node, lock_key, version, drains, has_broker, lease_until, database_started) values "
                "($1, hashtext($1) & 2147483647, $2, $3, $5, now() + $4 * interval '1 microsecond', "
                "pg_postmaster_start_time()) "
                "on conflict (node) do update set drains = excluded.drains, lease_until = "
                "excluded.lease_until, database_started = excluded.database_started",
                clean_text(said.node), clean_text(said.version), said.drains, said.lease.count(),
                said.has_broker);
    }
    return read_neighbourhood(connection);
}

Neighbourhood read_neighbourhood(pqxx::connection& connection) {
    Neighbourhood around;
    pqxx::nontransaction work(connection);
    around.nodes =
        read_all<NodeRow>(work.exec(fmt::format("select node, version, drains, "
                                                "(extract(epoch from lease_until - now()) * "
                                                "1000000)::bigint, {}, has_broker, coalesce(database_started = "
                                                "pg_postmaster_start_time(), false) from node n "
                                                "order by since, node",
                                                held_by(""))),
                          [](const pqxx::row& row) {
                              NodeRow node;
                              node.node = node_text(row, 0);
                              node.version = node_text(row, 1);
                              node.drains = row[2].as<bool>();
                              node.lease_left = Duration(row[3].as<std::int64_t>());
                              node.has_session = row[4].as<bool>();
                              node.has_broker = row[5].as<bool>();
                              node.lost_session = !node.has_session && row[6].as<bool>();
                              return node;
                          });
    around.partitions = read_all<SeenPartition>(
        work.exec("select part, epoch, node from owner order by part"), [](const pqxx::row& row) {
            return SeenPartition{static_cast<Partition>(row[0].as<int>()),
                                 row[1].as<std::uint64_t>(), node_text(row, 2)};
        });
    around.live_definitions = work.exec("select coalesce(md5(string_agg(name || ':' || "
                                        "definition_id, ',' order by name)), '') from live")[0][0]
                                  .as<std::string>();
    return around;
}

void withdraw(pqxx::connection& connection, const std::string& node) {
    pqxx::nontransaction work(connection);
    work.exec_params(fmt::format("delete from node n where n.node = $1 and not {}",
                                 held_by("and l.pid <> pg_backend_pid()")),
                     clean_text(node));
}

} // namespace baton::db
