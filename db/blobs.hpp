// Large values are kept once. A result of a megabyte stands in the history of its step, in the
// input of each step that reads it, in the run's document and its output; the store keeps its text
// in a row of its own, by its SHA-256, and where it stood a reference: \x01 HASH : SIZE \x02, which
// no JSON text can contain. Written when a batch is committed, put back when a row is read: nobody
// but the store knows.
//
//   use (run, hash)   which runs refer to a text; goes with the run, and the text with the last use
//
// What is replaced is the innermost value that is larger than blob_bytes_min, so that the same text
// is found again whatever it is wrapped in.
#pragma once

#include "base/result.hpp"
#include "orchestrator/runtime/run_store.hpp"

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace baton::db {

namespace runtime = orchestrator::runtime;

// Below it a row of its own costs more than it spares.
inline constexpr std::size_t blob_bytes_min = std::size_t{64} * 1024;

struct Blob {
    std::string sha256; // hexadecimal
    std::string text;
};

// `text` with references, and what they refer to. Values nested less than `depth` deep stay, and
// those that `may_leave` says no to. What is not JSON stays as it is.
std::string fold(std::string_view text, std::size_t depth,
                 const std::function<bool(const std::string& sha256)>& may_leave,
                 std::vector<Blob>& blobs);

// How large the text is with everything put back, and what it takes.
std::size_t unfolded_size(std::string_view text);
void note_references(std::string_view text, std::set<std::string>& hashes);

// Texts by their hash; those that are not there are left out.
using BlobTexts = std::map<std::string, std::string>;
using BlobReader = std::function<Outcome<BlobTexts>(const std::set<std::string>& hashes)>;
// Within the limits, as if the texts had stood in the rows: a run beyond them has Texts::too_large
// or
// ::later, a history row no text, and the rows behind the sum are cut off.
Outcome<void> unfold(std::vector<runtime::StoredRun>& runs, const runtime::ReadLimits& limits,
                     const BlobReader& read);
Outcome<void> unfold(std::vector<runtime::HistoryRow>& rows, const runtime::ReadLimits& limits,
                     const BlobReader& read);
Outcome<void> unfold(runtime::StoredRun& run, const BlobReader& read);
// A page ends where its bytes do.
Outcome<void> unfold(runtime::HistoryPage& page, const BlobReader& read);

// What a store wrote lately: it need not be sent again, and may be referred to.
class RecentBlobs {
public:
    bool contains(const std::string& run_id, const std::string& sha256) const {
        return uses_.contains({run_id, sha256});
    }
    void add(const std::string& run_id, const std::string& sha256);

private:
    std::set<std::pair<std::string, std::string>> uses_;
    std::deque<std::pair<std::string, std::string>> order_;
};

struct BlobUse {
    std::string run_id;
    Blob blob;
};
struct FoldedBatch {
    runtime::Batch batch;
    std::vector<BlobUse> uses; // that are not known to be there
};
// Nothing: the batch holds nothing large.
std::optional<FoldedBatch> fold(const runtime::Batch& batch, const RecentBlobs& recent);
// Those of runs that were written; what became of the others nobody refers to.
std::vector<BlobUse> written(std::vector<BlobUse> uses, const runtime::Committed& committed);

} // namespace baton::db
