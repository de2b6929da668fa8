// A page is its messages one after the other, each as the record the journal would write, behind its
// length in four bytes of this machine's order: nobody but this process reads it.
#include "broker/journal/pages.hpp"

#include "broker/journal/record_codec.hpp"

#include <fmt/format.h>

#include <cstring>

namespace baton::broker::journal {
namespace {

std::string name_of(std::uint64_t number) {
    return fmt::format("pages-{:016x}", number);
}

void add(std::vector<std::byte>& out, ByteView bytes) {
    out.insert(out.end(), bytes.begin(), bytes.end());
}

} // namespace

Outcome<std::unique_ptr<Pages>> Pages::open(Directory& directory, std::uint64_t file_bytes) {
    BATON_ASSIGN(const std::vector<std::string> names, directory.list());
    for (const std::string& name : names)
        if (name.starts_with("pages-")) BATON_TRY(directory.remove(name));
    return std::unique_ptr<Pages>(new Pages(directory, file_bytes));
}

Outcome<void> Pages::put(const core::PageOut& page) {
    encoded_.clear();
    for (const core::MessageRef& message : page.messages) {
        const core::Record record = core::MessageStored{message, {}, {}};
        const EncodedRecord encoded = encode_record(record, head_);
        const auto size = static_cast<std::uint32_t>(encoded.head.size() + encoded.body.size());
        add(encoded_, ByteView(reinterpret_cast<const std::byte*>(&size), sizeof size));
        add(encoded_, encoded.head);
        add(encoded_, encoded.body);
    }
    auto written = write(page.block, static_cast<std::uint32_t>(page.messages.size()));
    if (written || written.error().code != Errc::disk_full) return written;
    kept_[page.block] = page.messages;
    return {};
}

Outcome<void> Pages::write(core::BlockId block, std::uint32_t messages) {
    auto last = files_.find(last_number_);
    if (last == files_.end() || last->second.end >= file_bytes_) {
        BATON_ASSIGN(std::unique_ptr<File> file, directory_.create(name_of(last_number_ + 1)));
        const std::uint64_t full = last_number_++;
        last = files_.emplace(last_number_, PageFile{std::move(file), 0, 0}).first;
        remove_if_done(full);
    }
    PageFile& file = last->second;
    const ByteView piece(encoded_);
    BATON_TRY(file.file->write_at(file.end, {&piece, 1}));
    places_[block] = {last_number_, file.end, encoded_.size(), messages};
    file.end += encoded_.size();
    bytes_ += encoded_.size();
    ++file.pages;
    return {};
}

Outcome<std::vector<core::MessageRef>> Pages::read(core::BlockId block) {
    if (const auto kept = kept_.find(block); kept != kept_.end()) return kept->second;
    std::vector<core::MessageRef> messages;
    const auto found = places_.find(block);
    if (found == places_.end()) return messages;
    const Place& place = found->second;
    encoded_.resize(static_cast<std::size_t>(place.size));
    BATON_ASSIGN(const std::size_t got,
                 files_.at(place.file).file->read_at(place.offset, encoded_));
    ByteView left = ByteView(encoded_).first(got);
    messages.reserve(place.messages);
    while (messages.size() < place.messages) {
        std::uint32_t size = 0;
        if (left.size() < sizeof size) break;
        std::memcpy(&size, left.data(), sizeof size);
        left = left.subspan(sizeof size);
        if (left.size() < size) break;
        auto message = decode_message(left.first(size));
        if (!message) break;
        messages.push_back(std::move(*message));
        left = left.subspan(size);
    }
    if (messages.size() == place.messages) return messages;
    return failure(Errc::damaged, fmt::format("{} cannot be read back at offset {}",
                                              directory_.path_of(name_of(place.file)),
                                              place.offset));
}

void Pages::drop(core::BlockId block) {
    if (kept_.erase(block) != 0) return;
    const auto found = places_.find(block);
    if (found == places_.end()) return;
    const Place place = found->second;
    places_.erase(found);
    bytes_ -= place.size;
    --files_.at(place.file).pages;
    remove_if_done(place.file);
}

void Pages::remove_if_done(std::uint64_t number) {
    const auto found = files_.find(number);
    if (found == files_.end() || found->second.pages != 0 || number == last_number_) return;
    files_.erase(found);
    // What stays behind is removed at the next start.
    (void)directory_.remove(name_of(number));
}

} // namespace baton::broker::journal
