// Which letters were sent, kept as small files in a folder, so that an attempt after a crash or a lost
// answer knows what became of the attempt before. All processes of one machine may share the folder.
// Any thread.
#pragma once

#include "base/result.hpp"

#include <optional>
#include <string>

namespace baton::workers::mail {

class Ledger {
public:
    // An empty folder: nothing is kept, and begun() is never true.
    explicit Ledger(std::string folder) : folder_(std::move(folder)) {}

    bool is_kept() const { return !folder_.empty(); }
    // What note_sent() was told for the letter of that key, if it was sent.
    std::optional<std::string> sent(const std::string& key) const;
    // Whether an attempt began and nobody knows how it ended.
    bool begun(const std::string& key) const;

    // On disk before the first byte goes out.
    Outcome<void> note_begun(const std::string& key) const;
    void note_sent(const std::string& key, const std::string& result) const;
    // Surely not sent.
    void forget(const std::string& key) const;

    // Letters of a month ago: nobody asks any more.
    void clean() const;

private:
    std::string path(const std::string& key, const char* ending) const;

    std::string folder_;
};

} // namespace baton::workers::mail
