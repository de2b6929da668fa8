// `baton backup` and `baton restore`: a copy of everything a server must remember, made while it works,
// and a data folder made of such a copy.
//
//   DIR/manifest.json     what the backup holds, with sizes and checksums; written last, so a folder
//                         without one is no backup
//   DIR/journal/segment-… the broker's journal as it was on the disk at one moment
//   DIR/runs.sqlite       the runs at a later moment; not there when they are in PostgreSQL
//
// The order loses nothing: first the outbox cursor is read, then the journal copied, then the runs, and
// the copied runs publish again from the cursor on. docs/decisions/0027 has the argument. Blocking; on
// any thread but the broker's own.
#pragma once

#include "base/clock.hpp"
#include "base/result.hpp"
#include "broker/broker_service.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace baton::server {

// The journal of the broker in this process: its files stay where they are between `hold` and `release`.
struct HeldJournal {
    std::function<Outcome<std::vector<broker::JournalFile>>()> hold;
    std::function<void()> release;
};

struct BackupSource {
    std::string data_folder;
    std::string database_url;
    std::optional<HeldJournal> journal; // nothing: an outside broker keeps the messages
    std::string version;                     // of this program, for people
};

struct BackupReport {
    std::string folder;
    std::uint64_t journal_bytes = 0;
    std::uint64_t runs_bytes = 0;
    std::vector<std::string> notes; // what is not in it, and who has to see to it
};

// `folder` is absolute, and made here or empty. Gives up soon after `is_given_up` says so.
Outcome<BackupReport> back_up(const BackupSource& source, const std::string& folder, Time now,
                              const std::function<bool()>& is_given_up);

struct RestoreWish {
    std::string folder;
    std::string data_folder;
    std::string database_url;
    bool has_outside_broker = false;
    bool replaces = false; // what is there is moved aside; otherwise it is a reason to refuse
};

struct RestoreReport {
    std::string made_at; // when the backup was made, RFC 3339
    std::uint64_t journal_bytes = 0;
    std::uint64_t runs_bytes = 0;
    std::string moved_to; // where the former content is; empty: there was none
    std::vector<std::string> notes;
};

// Checks the whole backup before anything is changed. invalid_argument: the wish cannot be carried out
// as it is and somebody has to decide; any other failure: the backup or the disk.
// All or nothing: a failure leaves everything as it was, and a process that is killed in the middle leaves
// a folder with which no server starts; the same restore again makes it whole.
Outcome<RestoreReport> restore(const RestoreWish& wish, Time now);

// The refusal of a folder that a restore left half done.
Outcome<void> check_no_half_restore(const std::string& data_folder);

} // namespace baton::server
