// The seam to the disk: what the journal asks of a file system, no more. PosixDirectory is the real
// body; tests have a simulated one that forgets what was not synced, tears writes and fills up.
// A Directory may be used by two threads (the writer and the one that prepares the next segment);
// a File by one at a time. Failures carry Errc::disk_full where space is what is missing.
#pragma once

#include "base/bytes.hpp"
#include "broker/journal/errors.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace baton::broker::journal {

class File {
public:
    virtual ~File() = default;

    virtual Outcome<std::uint64_t> size() = 0;
    // Fills `out` from `offset`; returns fewer bytes only at the end of the file.
    virtual Outcome<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) = 0;
    // Writes the pieces one after the other, all of them or an error.
    virtual Outcome<void> write_at(std::uint64_t offset, std::span<const ByteView> pieces) = 0;
    // Makes the file `size` bytes of zeros that own their place on the disk, so that writing inside
    // cannot fail for want of space. Only for a new file.
    virtual Outcome<void> reserve(std::uint64_t size) = 0;
    virtual Outcome<void> truncate(std::uint64_t size) = 0;
    // After this the content written so far survives loss of power.
    virtual Outcome<void> sync() = 0;
};

class Directory {
public:
    virtual ~Directory() = default;

    // Names of what is inside, in no order.
    virtual Outcome<std::vector<std::string>> list() = 0;
    virtual Outcome<std::unique_ptr<File>> open(const std::string& name) = 0;
    // Fails if the name exists.
    virtual Outcome<std::unique_ptr<File>> create(const std::string& name) = 0;
    virtual Outcome<void> rename(const std::string& from, const std::string& to) = 0;
    virtual Outcome<void> remove(const std::string& name) = 0;
    // After this creations, renames and removals survive loss of power.
    virtual Outcome<void> sync() = 0;
    // For messages to people.
    virtual std::string path_of(const std::string& name) const = 0;
};

} // namespace baton::broker::journal
