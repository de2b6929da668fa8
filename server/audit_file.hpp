// The audit log's files: lines are appended and never changed; a file that has grown enough makes room for
// a new one, and only so many old ones stay: audit.jsonl, audit.jsonl.1 (the newest old one), … One thread.
#pragma once

#include "base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

namespace baton::server {

class AuditFile {
public:
    // At most `bytes_max` bytes each, unless a line alone is longer, and `old_max` old ones.
    AuditFile(std::string path, std::uint64_t bytes_max, unsigned old_max)
        : path_(std::move(path)), bytes_max_(bytes_max), old_max_(old_max) {}
    ~AuditFile();
    AuditFile(const AuditFile&) = delete;
    AuditFile& operator=(const AuditFile&) = delete;

    // `line` ends with a line end and is kept whole or not at all. What cannot be kept is said in the log,
    // with all that the line says.
    void append(const std::string& line);

private:
    void open_where_it_is(std::size_t bytes);
    void close();
    void make_room() const;

    std::string path_;
    std::uint64_t bytes_max_;
    unsigned old_max_;
    int descriptor_ = -1; // of the file that was at `path_` when it was opened
    dev_t device_ = 0;
    ino_t inode_ = 0;
};

// Lines of an audit log from its end backwards, the newest first, the older files behind. `from` is where a piece
// before ended (its `next`), or empty. Any thread; a file that makes room meanwhile shifts what comes next.
struct AuditPiece {
    std::vector<std::string> lines;
    std::string next; // empty: that was all
};
Outcome<AuditPiece> read_audit_back(const std::string& path, unsigned old_max, const std::string& from);

} // namespace baton::server
