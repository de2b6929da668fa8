// Where transient messages lie while they are not in memory: files beside the journal that are never
// synced and are forgotten with the process. A page holds the messages of one block and is written
// and read whole; a file goes when its last page has gone. Belongs to the journal thread.
#pragma once

#include "amqp/buffer.hpp"
#include "broker/core/turn.hpp"
#include "broker/journal/file.hpp"

#include <map>
#include <unordered_map>

namespace baton::broker::journal {

class Pages {
public:
    // Removes what an earlier process left behind. `directory` holds nothing else.
    static Outcome<std::unique_ptr<Pages>> open(Directory& directory,
                                                std::uint64_t file_bytes = 16ULL << 20);

    // Where the disk is full, the page stays in memory, and core's limits see to the rest.
    Outcome<void> put(const core::PageOut& page);
    // The messages of the page, made anew; empty when there is none.
    Outcome<std::vector<core::MessageRef>> read(core::BlockId block);
    void drop(core::BlockId block);

    std::uint64_t bytes() const { return bytes_; }

private:
    Pages(Directory& directory, std::uint64_t file_bytes)
        : directory_(directory), file_bytes_(file_bytes) {}

    struct PageFile {
        std::unique_ptr<File> file;
        std::uint64_t end = 0;
        std::uint32_t pages = 0;
    };
    struct Place {
        std::uint64_t file = 0;
        std::uint64_t offset = 0;
        std::uint64_t size = 0;
        std::uint32_t messages = 0;
    };

    Outcome<void> write(core::BlockId block, std::uint32_t messages);
    void remove_if_done(std::uint64_t number);

    Directory& directory_;
    std::uint64_t file_bytes_;
    std::map<std::uint64_t, PageFile> files_; // by number; the last one is being written
    std::uint64_t last_number_ = 0;
    std::unordered_map<core::BlockId, Place> places_;
    std::unordered_map<core::BlockId, std::vector<core::MessageRef>> kept_; // for want of space
    std::uint64_t bytes_ = 0;
    std::vector<std::byte> encoded_;
    amqp::Buffer head_;
};

} // namespace baton::broker::journal
