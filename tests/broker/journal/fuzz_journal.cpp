// Fuzz target: whatever lies in a segment, opening the journal ends with a journal or a sentence, and
// what a salvage made of it opens again without complaint.
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
    const std::string body(100, 'x');
    const auto appended = (*journal)->append(
        {.type = 1, .group_goes_on = false, .head = {}, .body = as_bytes(body)});
    return appended && (*journal)->commit();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const FileHeader header = encode_file_header(1);
    std::vector<std::byte> segment(header.begin(), header.end());
    const auto* bytes = reinterpret_cast<const std::byte*>(data);
    segment.insert(segment.end(), bytes, bytes + size);
    segment.resize(segment.size() + 256); // the zeros of a prepared segment

    test::SimDisk disk;
    disk.set_content(segment_name(1), segment);
    const bool is_whole = opens(disk, false);
    if (!is_whole && !opens(disk, true)) std::abort();
    if (!opens(disk, false)) std::abort();
    return 0;
}
