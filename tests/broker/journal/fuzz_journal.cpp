// Fuzz target: whatever was done to the segments, opening the journal ends with a journal or a
// sentence, and what a salvage made of it opens again without complaint.
#include "broker/journal/journal.hpp"
#include "broker/journal/record_codec.hpp"
#include "tests/support/sim_disk.hpp"

#include <cstdlib>

namespace {

using namespace baton;
using namespace baton::broker::journal;

bool opens(test::SimDisk& disk, bool salvage) {
    JournalOptions options;
    options.first_segment_bytes = 4096;
    options.segment_bytes_max = 4096;
    options.salvage = salvage;
    RecoveryReport report;
    const auto visit = [](const RecordView& record) -> Outcome<void> {
        (void)decode_record(record.type, record.payload);
        return {};
    };
    auto journal = Journal::open(disk, options, visit, report);
    if (!journal) return false;
    const std::string body(120, 'x');
    const auto appended =
        (*journal)->append({.type = 1, .group_goes_on = false, .head = {}, .body = as_bytes(body)});
    return appended && (*journal)->commit();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    // A good journal of several segments, then damage: each four bytes are a segment, a place and
    // what is changed there.
    test::SimDisk disk;
    for (int round = 0; round < 40; ++round)
        if (!opens(disk, false)) std::abort();
    for (; size >= 4; data += 4, size -= 4) {
        const std::string name = segment_name(1U + data[0] % 2U);
        std::vector<std::byte> content = disk.content(name);
        if (content.empty()) continue;
        const std::size_t place = (data[1] * 256U + data[2]) % content.size();
        content[place] ^= static_cast<std::byte>(data[3]);
        disk.set_content(name, std::move(content));
    }
    const bool is_whole = opens(disk, false);
    if (!is_whole && !opens(disk, true)) std::abort();
    if (!opens(disk, false)) std::abort();
    return 0;
}
