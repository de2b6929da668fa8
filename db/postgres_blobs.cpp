// A text is locked before it is known whether it is used: who writes a use locks it, too.
#include "db/postgres_blobs.hpp"

#include "db/postgres_rows.hpp"

#include <algorithm>

namespace baton::db {

void write_blobs(pqxx::transaction_base& work, const std::vector<BlobUse>& uses) {
    if (uses.empty()) return;
    // One of each, in the order of the hashes: two commits never wait for each other.
    std::map<std::string, const std::string*> texts;
    ArrayText hashes, bodies, runs, used;
    for (const BlobUse& use : uses) {
        texts.emplace(use.blob.sha256, &use.blob.text);
        runs.add(use.run_id);
        used.add(use.blob.sha256);
    }
    for (const auto& [sha256, text] : texts) {
        hashes.add(sha256);
        bodies.add(clean_text(*text));
    }
    work.exec_params("insert into blob (sha256, text) select * from unnest($1::text[], $2::text[]) "
                     "as b(sha256, text) "
                     "order by sha256 on conflict (sha256) do update set sha256 = excluded.sha256",
                     hashes.text(), bodies.text());
    work.exec_params("insert into blob_use (run_id, sha256) select * from unnest($1::uuid[], "
                     "$2::text[]) on conflict do nothing",
                     runs.text(), used.text());
}

BlobTexts read_blobs(pqxx::transaction_base& work, const std::set<std::string>& hashes) {
    ArrayText wanted;
    for (const std::string& sha256 : hashes)
        wanted.add(sha256);
    BlobTexts texts;
    for (const auto& row : work.exec_params(
             "select sha256, text from blob where sha256 = any($1::text[])", wanted.text()))
        texts.emplace(row[0].as<std::string>(), row[1].as<std::string>());
    return texts;
}

BlobReader reading_blobs(pqxx::transaction_base& work) {
    return [&work](const std::set<std::string>& hashes) -> Outcome<BlobTexts> {
        return read_blobs(work, hashes);
    };
}

void drop_unused_blobs(pqxx::transaction_base& work, const std::string& hashes) {
    work.exec_params("select from blob where sha256 = any($1::text[]) order by sha256 for update",
                     hashes);
    work.exec_params("delete from blob b where b.sha256 = any($1::text[]) and not exists (select "
                     "from blob_use u where u.sha256 = b.sha256)",
                     hashes);
}

} // namespace baton::db
