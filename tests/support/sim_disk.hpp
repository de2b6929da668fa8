// The disk of the tests: keeps files in memory and behaves as badly as a real one may. What was not
// synced can be forgotten in part by a crash, sector by sector and in any order; names that were
// not synced can be forgotten from the newest on; space can run out; the n-th operation can fail.
// Any thread may use it.
#pragma once

#include "base/random.hpp"
#include "broker/journal/file.hpp"

#include <map>
#include <mutex>

namespace baton::test {

class SimDisk final : public broker::journal::Directory {
public:
    SimDisk();
    ~SimDisk() override;

    Outcome<std::vector<std::string>> list() override;
    Outcome<std::unique_ptr<broker::journal::File>> open(const std::string& name) override;
    Outcome<std::unique_ptr<broker::journal::File>> create(const std::string& name) override;
    Outcome<void> rename(const std::string& from, const std::string& to) override;
    Outcome<void> remove(const std::string& name) override;
    Outcome<void> sync() override;
    std::string path_of(const std::string& name) const override { return "sim:/" + name; }

    // Loss of power: each unsynced sector survives or not, as `random` says.
    void crash(Random& random);
    // Loss of power that forgets everything unsynced, or nothing.
    void crash_forgetting_all();
    void crash_forgetting_nothing();

    // Bytes the files together may reserve or grow to.
    void set_capacity(std::uint64_t bytes);
    std::uint64_t bytes() const;
    // Operations that write or sync fail from the n-th on (0: the next), until cleared or crashed.
    // Of the write that fails first, half arrives.
    void fail_from(std::uint64_t operation);
    void fail_no_more();
    std::uint64_t operations() const;

    // For damage done by hand: the content as it is now, durable after the call.
    std::vector<std::byte> content(const std::string& name) const;
    void set_content(const std::string& name, std::vector<std::byte> bytes);

    struct Node;

private:
    class Handle;
    friend class Handle;

    using Names = std::map<std::string, std::shared_ptr<Node>>;

    Outcome<void> count_operation(const std::string& what);
    Outcome<void> grow(Node& node, std::uint64_t size);
    std::uint64_t used() const;
    template <typename Keep>
    void crash_keeping(Keep&& keep, std::size_t names_kept);

    mutable std::mutex mutex_;
    Names names_;
    // How the names looked at the last sync and after each change since.
    std::vector<Names> name_history_;
    std::uint64_t capacity_ = UINT64_MAX;
    std::uint64_t operations_ = 0;
    std::uint64_t fail_from_ = UINT64_MAX;
};

} // namespace baton::test
