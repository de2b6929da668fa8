#include "tests/support/sim_disk.hpp"

#include <algorithm>

namespace baton::test {

using broker::journal::Errc;
using broker::journal::failure;
using broker::journal::File;

namespace {
constexpr std::size_t sector_size = 512;
}

struct SimDisk::Node {
    std::vector<std::byte> durable;
    std::vector<std::byte> current;

    // What a crash leaves when `keep` decides for each sector whether its new content survives.
    template <typename Keep>
    void crash(Keep&& keep) {
        // The length is metadata and travels with the first sector behind the old end.
        std::vector<std::byte> after = durable;
        if (current.size() != durable.size() && keep()) after.resize(current.size());
        for (std::size_t at = 0; at < std::min(after.size(), current.size()); at += sector_size) {
            const std::size_t end = std::min({at + sector_size, after.size(), current.size()});
            const auto from = static_cast<std::ptrdiff_t>(at);
            const auto to = static_cast<std::ptrdiff_t>(end);
            if (std::equal(current.begin() + from, current.begin() + to, after.begin() + from))
                continue;
            if (keep())
                std::copy(current.begin() + from, current.begin() + to, after.begin() + from);
        }
        durable = after;
        current = std::move(after);
    }
};

class SimDisk::Handle final : public File {
public:
    Handle(SimDisk& disk, std::shared_ptr<Node> node) : disk_(disk), node_(std::move(node)) {}

    Outcome<std::uint64_t> size() override {
        const std::lock_guard lock(disk_.mutex_);
        return node_->current.size();
    }

    Outcome<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) override {
        const std::lock_guard lock(disk_.mutex_);
        const auto& bytes = node_->current;
        if (offset >= bytes.size()) return std::size_t{0};
        const std::size_t count = std::min<std::size_t>(out.size(), bytes.size() - offset);
        std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), count, out.begin());
        return count;
    }

    Outcome<void> write_at(std::uint64_t offset, std::span<const ByteView> pieces) override {
        const std::lock_guard lock(disk_.mutex_);
        const bool is_first_to_fail = disk_.operations_ == disk_.fail_from_;
        auto counted = disk_.count_operation("write");
        if (!counted && !is_first_to_fail) return counted;
        std::size_t left = 0;
        for (const ByteView piece : pieces) left += piece.size();
        if (!counted) left /= 2;
        for (ByteView piece : pieces) {
            piece = piece.first(std::min(left, piece.size()));
            if (offset + piece.size() > node_->current.size())
                BATON_TRY(disk_.grow(*node_, offset + piece.size()));
            std::ranges::copy(piece, node_->current.begin() + static_cast<std::ptrdiff_t>(offset));
            offset += piece.size();
            left -= piece.size();
        }
        return counted;
    }

    Outcome<void> reserve(std::uint64_t size) override {
        const std::lock_guard lock(disk_.mutex_);
        BATON_TRY(disk_.count_operation("reserve"));
        return disk_.grow(*node_, size);
    }

    Outcome<void> truncate(std::uint64_t size) override {
        const std::lock_guard lock(disk_.mutex_);
        BATON_TRY(disk_.count_operation("truncate"));
        node_->current.resize(size);
        return {};
    }

    Outcome<void> sync() override {
        const std::lock_guard lock(disk_.mutex_);
        BATON_TRY(disk_.count_operation("sync"));
        node_->durable = node_->current;
        return {};
    }

private:
    SimDisk& disk_;
    std::shared_ptr<Node> node_;
};

SimDisk::SimDisk() : name_history_{{}} {}
SimDisk::~SimDisk() = default;

Outcome<void> SimDisk::count_operation(const std::string& what) {
    if (operations_++ < fail_from_) return {};
    return failure(Errc::io, "the simulated disk fails to " + what);
}

std::uint64_t SimDisk::used() const {
    std::uint64_t sum = 0;
    for (const auto& [name, node] : names_)
        sum += node->current.size();
    return sum;
}

Outcome<void> SimDisk::grow(Node& node, std::uint64_t size) {
    if (size > node.current.size()) {
        if (used() + (size - node.current.size()) > capacity_)
            return failure(Errc::disk_full, "the simulated disk is full");
        node.current.resize(size);
    }
    return {};
}

Outcome<std::vector<std::string>> SimDisk::list() {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> names;
    for (const auto& [name, node] : names_)
        names.push_back(name);
    return names;
}

Outcome<std::unique_ptr<File>> SimDisk::open(const std::string& name) {
    const std::lock_guard lock(mutex_);
    const auto found = names_.find(name);
    if (found == names_.end()) return failure(Errc::io, "no file " + name);
    return std::unique_ptr<File>(std::make_unique<Handle>(*this, found->second));
}

Outcome<std::unique_ptr<File>> SimDisk::create(const std::string& name) {
    const std::lock_guard lock(mutex_);
    BATON_TRY(count_operation("create"));
    const auto [at, is_new] = names_.try_emplace(name, nullptr);
    if (!is_new) return failure(Errc::io, "file exists: " + name);
    at->second = std::make_shared<Node>();
    name_history_.push_back(names_);
    return std::unique_ptr<File>(std::make_unique<Handle>(*this, at->second));
}

Outcome<void> SimDisk::rename(const std::string& from, const std::string& to) {
    const std::lock_guard lock(mutex_);
    BATON_TRY(count_operation("rename"));
    const auto found = names_.find(from);
    if (found == names_.end()) return failure(Errc::io, "no file " + from);
    const auto node = found->second;
    names_.erase(found);
    names_[to] = node;
    name_history_.push_back(names_);
    return {};
}

Outcome<void> SimDisk::remove(const std::string& name) {
    const std::lock_guard lock(mutex_);
    BATON_TRY(count_operation("remove"));
    if (names_.erase(name) == 0) return failure(Errc::io, "no file " + name);
    name_history_.push_back(names_);
    return {};
}

Outcome<void> SimDisk::sync() {
    const std::lock_guard lock(mutex_);
    BATON_TRY(count_operation("sync"));
    name_history_.assign(1, names_);
    return {};
}

template <typename Keep>
void SimDisk::crash_keeping(Keep&& keep, std::size_t names_kept) {
    names_ = name_history_[names_kept];
    name_history_.assign(1, names_);
    for (auto& [name, node] : names_) {
        // A new node, so that handles from before the crash write into the void.
        auto survivor = std::make_shared<Node>(*node);
        survivor->crash(keep);
        node = survivor;
    }
    name_history_.assign(1, names_);
    fail_from_ = UINT64_MAX;
}

void SimDisk::crash(Random& random) {
    const std::lock_guard lock(mutex_);
    const std::size_t kept = random.below(name_history_.size());
    // How much survives differs from crash to crash, from nearly nothing to nearly all.
    const std::uint64_t chance = random.below(101);
    crash_keeping([&] { return random.below(100) < chance; }, kept);
}

void SimDisk::crash_forgetting_all() {
    const std::lock_guard lock(mutex_);
    crash_keeping([] { return false; }, 0);
}

void SimDisk::crash_forgetting_nothing() {
    const std::lock_guard lock(mutex_);
    crash_keeping([] { return true; }, name_history_.size() - 1);
}

void SimDisk::set_capacity(std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    capacity_ = bytes;
}

std::uint64_t SimDisk::bytes() const {
    const std::lock_guard lock(mutex_);
    return used();
}

void SimDisk::fail_from(std::uint64_t operation) {
    const std::lock_guard lock(mutex_);
    fail_from_ = operations_ + operation;
}

void SimDisk::fail_no_more() {
    const std::lock_guard lock(mutex_);
    fail_from_ = UINT64_MAX;
}

std::uint64_t SimDisk::operations() const {
    const std::lock_guard lock(mutex_);
    return operations_;
}

std::vector<std::byte> SimDisk::content(const std::string& name) const {
    const std::lock_guard lock(mutex_);
    const auto found = names_.find(name);
    return found == names_.end() ? std::vector<std::byte>{} : found->second->current;
}

void SimDisk::set_content(const std::string& name, std::vector<std::byte> bytes) {
    const std::lock_guard lock(mutex_);
    auto node = std::make_shared<Node>();
    node->durable = bytes;
    node->current = std::move(bytes);
    names_[name] = node;
    name_history_.assign(1, names_);
}

} // namespace baton::test
