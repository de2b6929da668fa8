// One pass over the text finds the values to be replaced; nothing is parsed into objects.
#include "db/blobs.hpp"

#include "db/hex.hpp"
#include "orchestrator/core/fingerprint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace baton::db {

using namespace orchestrator::runtime;

namespace {

constexpr char reference_begin = '\x01';
constexpr char reference_end = '\x02';
constexpr std::size_t hash_digits = 64;
// About as long as a reference is.
constexpr std::size_t reference_bytes = 76;
// So many uses are remembered: some megabytes.
constexpr std::size_t recent_max = 8192;

struct Span {
    std::size_t begin = 0;
    std::size_t end = 0;
};

// Finds the innermost values that are large.
class LargeValues {
public:
    LargeValues(std::string_view text, std::size_t depth) : text_(text), depth_(depth) {}

    // Empty also where the text is not JSON.
    std::vector<Span> find() {
        while (at_ < text_.size()) {
            const char c = text_[at_];
            bool well = true;
            if (c == '"')
                well = string();
            else if (c == '{' || c == '[')
                open_.push_back({at_++, 0, spans_.size()});
            else if (c == '}' || c == ']')
                well = close();
            else if (c == reference_begin)
                well = false;
            else
                ++at_;
            if (!well) return {};
        }
        return open_.empty() ? std::move(spans_) : std::vector<Span>{};
    }

private:
    struct Open {
        std::size_t begin;
        std::size_t taken_out; // bytes of the values in it that are replaced
        std::size_t first;     // of them
    };

    bool string() {
        const std::size_t begin = at_++;
        while (at_ < text_.size() && text_[at_] != '"')
            at_ += text_[at_] == '\\' ? 2 : 1;
        if (at_ >= text_.size()) return false;
        ++at_;
        const std::size_t next = text_.find_first_not_of(" \t\r\n", at_);
        const bool is_key = next != std::string_view::npos && text_[next] == ':';
        if (!is_key && at_ - begin > blob_bytes_min && open_.size() >= depth_)
            take_out({begin, at_});
        return true;
    }

    bool close() {
        if (open_.empty()) return false;
        const Open value = open_.back();
        if (text_[at_] != (text_[value.begin] == '{' ? '}' : ']')) return false;
        open_.pop_back();
        ++at_;
        const bool is_large = at_ - value.begin - value.taken_out > blob_bytes_min;
        if (is_large && open_.size() >= depth_) {
            spans_.resize(value.first);
            take_out({value.begin, at_});
        } else if (!open_.empty()) {
            open_.back().taken_out += value.taken_out;
        }
        return true;
    }

    void take_out(Span span) {
        spans_.push_back(span);
        if (!open_.empty()) open_.back().taken_out += span.end - span.begin - reference_bytes;
    }

    std::string_view text_;
    std::size_t depth_;
    std::size_t at_ = 0;
    std::vector<Open> open_;
    std::vector<Span> spans_;
};

struct Reference {
    std::string sha256;
    std::size_t size = 0;
    std::size_t length = 0; // of the reference itself
};

// The reference that begins here; nothing: it is none.
std::optional<Reference> reference_at(std::string_view text, std::size_t at) {
    const std::string_view rest = text.substr(at);
    if (rest.size() < hash_digits + 4 || rest[hash_digits + 1] != ':') return std::nullopt;
    Reference found;
    found.sha256 = rest.substr(1, hash_digits);
    if (found.sha256.find_first_not_of("0123456789abcdef") != std::string::npos)
        return std::nullopt;
    const char* first = rest.data() + hash_digits + 2;
    const auto [end, error] = std::from_chars(first, rest.data() + rest.size(), found.size);
    if (error != std::errc{} || end == rest.data() + rest.size() || *end != reference_end)
        return std::nullopt;
    found.length = static_cast<std::size_t>(end - rest.data()) + 1;
    return found;
}

// Calls `use` with each reference and the text before it; gives what is behind the last one.
template <typename Use>
std::string_view each_reference(std::string_view text, const Use& use) {
    std::size_t done = 0;
    for (std::size_t at = text.find(reference_begin); at != std::string_view::npos;
         at = text.find(reference_begin, at)) {
        const auto found = reference_at(text, at);
        if (!found) {
            ++at;
            continue;
        }
        use(text.substr(done, at - done), *found);
        at += found->length;
        done = at;
    }
    return text.substr(done);
}

bool has_reference(std::string_view text) {
    return text.find(reference_begin) != std::string_view::npos;
}

Outcome<void> put_back(std::string& text, const BlobTexts& texts) {
    if (!has_reference(text)) return boost::system::in_place_value;
    std::string whole;
    std::string missing;
    whole.reserve(unfolded_size(text));
    const std::string_view rest =
        each_reference(text, [&](std::string_view before, const Reference& one) {
            whole += before;
            const auto found = texts.find(one.sha256);
            if (found == texts.end())
                missing = one.sha256;
            else
                whole += found->second;
        });
    if (!missing.empty())
        return Failure{
            make_error_code(StoreErrc::refused),
            fmt::format(
                "a large value (SHA-256 {}) is not in the table blob any more; restore a backup",
                missing)};
    whole += rest;
    text = std::move(whole);
    return boost::system::in_place_value;
}

std::vector<std::string*> texts_of(StoredRun& run) {
    std::vector<std::string*> texts{&run.state, &run.input};
    if (run.output) texts.push_back(&*run.output);
    return texts;
}

Outcome<void> put_back(const std::vector<std::string*>& texts, const BlobReader& read) {
    std::set<std::string> hashes;
    for (const std::string* text : texts)
        note_references(*text, hashes);
    if (hashes.empty()) return boost::system::in_place_value;
    BATON_ASSIGN(const BlobTexts found, read(hashes));
    for (std::string* text : texts)
        BATON_TRY(put_back(*text, found));
    return boost::system::in_place_value;
}

} // namespace

std::string fold(std::string_view text, std::size_t depth,
                 const std::function<bool(const std::string& sha256)>& may_leave,
                 std::vector<Blob>& blobs) {
    if (text.size() <= blob_bytes_min) return std::string(text);
    std::string folded;
    std::size_t done = 0;
    for (const Span& span : LargeValues(text, depth).find()) {
        const std::string_view value = text.substr(span.begin, span.end - span.begin);
        Blob blob{to_hex(orchestrator::core::sha256(value)), {}};
        if (!may_leave(blob.sha256)) continue;
        folded += text.substr(done, span.begin - done);
        folded +=
            fmt::format("{}{}:{}{}", reference_begin, blob.sha256, value.size(), reference_end);
        done = span.end;
        blob.text = value;
        blobs.push_back(std::move(blob));
    }
    folded += text.substr(done);
    return folded;
}

std::size_t unfolded_size(std::string_view text) {
    if (!has_reference(text)) return text.size();
    std::size_t size = 0;
    const auto rest = each_reference(text, [&](std::string_view before, const Reference& one) {
        size += before.size() + one.size;
    });
    return size + rest.size();
}

void note_references(std::string_view text, std::set<std::string>& hashes) {
    if (!has_reference(text)) return;
    each_reference(text,
                   [&](std::string_view, const Reference& one) { hashes.insert(one.sha256); });
}

Outcome<void> unfold(std::vector<StoredRun>& runs, const ReadLimits& limits,
                     const BlobReader& read) {
    std::vector<std::string*> texts;
    std::size_t sum = 0;
    for (StoredRun& run : runs) {
        if (run.texts != StoredRun::Texts::here) continue;
        std::size_t size = 0;
        const auto of_run = texts_of(run);
        for (const std::string* text : of_run)
            size += unfolded_size(*text);
        if (size > limits.row_bytes || sum >= limits.sum_bytes) {
            run.texts =
                size > limits.row_bytes ? StoredRun::Texts::too_large : StoredRun::Texts::later;
            run.state.clear();
            run.input.clear();
            run.output.reset();
            continue;
        }
        sum += size;
        texts.insert(texts.end(), of_run.begin(), of_run.end());
    }
    return put_back(texts, read);
}

Outcome<void> unfold(std::vector<HistoryRow>& rows, const ReadLimits& limits,
                     const BlobReader& read) {
    std::vector<std::string*> texts;
    std::size_t sum = 0;
    for (std::size_t index = 0; index < rows.size(); ++index) {
        if (index > 0 && sum >= limits.sum_bytes) {
            rows.resize(index);
            break;
        }
        std::string& events = rows[index].events;
        const std::size_t size = unfolded_size(events);
        if (size > limits.row_bytes)
            events.clear();
        else
            texts.push_back(&events);
        sum += size > limits.row_bytes ? 0 : size;
    }
    return put_back(texts, read);
}

Outcome<void> unfold(StoredRun& run, const BlobReader& read) {
    return put_back(texts_of(run), read);
}

Outcome<void> unfold(HistoryPage& page, const BlobReader& read) {
    const std::size_t count = page.rows.size();
    BATON_TRY(unfold(page.rows, {ReadLimits{}.row_bytes, history_page_bytes_max}, read));
    page.has_more = page.has_more || page.rows.size() < count;
    return boost::system::in_place_value;
}

void RecentBlobs::add(const std::string& run_id, const std::string& sha256) {
    if (!uses_.emplace(run_id, sha256).second) return;
    order_.emplace_back(run_id, sha256);
    if (order_.size() <= recent_max) return;
    uses_.erase(order_.front());
    order_.pop_front();
}

std::optional<FoldedBatch> fold(const Batch& batch, const RecentBlobs& recent) {
    const auto is_large = [](const RunChange& change) {
        return change.events.size() > blob_bytes_min || change.state.size() > blob_bytes_min ||
               (change.output && change.output->size() > blob_bytes_min) ||
               (change.created && change.created->input.size() > blob_bytes_min);
    };
    if (std::none_of(batch.runs.begin(), batch.runs.end(), is_large)) return std::nullopt;
    FoldedBatch folded{batch, {}};
    for (RunChange& change : folded.batch.runs) {
        if (!is_large(change)) continue;
        std::vector<Blob> blobs;
        std::set<std::string> here;
        const auto always = [&](const std::string& sha256) {
            here.insert(sha256);
            return true;
        };
        change.events = fold(change.events, 2, always, blobs);
        if (change.created) change.created->input = fold(change.created->input, 0, always, blobs);
        if (change.output) change.output = fold(*change.output, 0, always, blobs);
        // A document is written again and again: of it only what stands in the history stays the
        // same.
        const auto is_known = [&](const std::string& sha256) {
            return here.contains(sha256) || recent.contains(change.run_id, sha256);
        };
        change.state = fold(change.state, 1, is_known, blobs);
        std::set<std::string> added;
        for (Blob& blob : blobs)
            if (!recent.contains(change.run_id, blob.sha256) && added.insert(blob.sha256).second)
                folded.uses.push_back({change.run_id, std::move(blob)});
    }
    return folded;
}

std::vector<BlobUse> written(std::vector<BlobUse> uses, const Committed& committed) {
    std::erase_if(uses, [&](const BlobUse& use) {
        return std::ranges::find(committed.lost, use.run_id) != committed.lost.end() ||
               std::ranges::any_of(committed.duplicates, [&](const DuplicateStart& one) {
                   return one.run_id == use.run_id;
               });
    });
    return uses;
}

} // namespace baton::db
