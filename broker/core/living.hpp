// The messages in memory that the journal must not forget, found by the age of their records. They
// lie in lists of some thousand record numbers each, so that a message that comes back from the
// disk under an old number is put where it belongs without a search.
#pragma once

#include "broker/core/message.hpp"

#include <deque>

namespace baton::broker::core {

class Living {
public:
    // From now on `record` is the one that says the message.
    void add(Message& message, RecordNumber record);
    // Its record is needed no more, or somebody else remembers it; notes.record becomes 0.
    void remove(Message& message);
    // One that is said by this record or an older one; null: there is none.
    Message* any_up_to(RecordNumber record);

    template <typename Visit>
    void each(Visit&& visit) const {
        for (const Bucket& bucket : buckets_)
            for (Message* message = bucket.first; message != nullptr;
                 message = message->notes.younger)
                visit(*message);
    }

private:
    static constexpr unsigned bucket_bits = 12;
    struct Bucket {
        Message* first = nullptr;
        Message* last = nullptr;
    };

    static std::uint64_t index_of(RecordNumber record) { return record >> bucket_bits; }
    Bucket& bucket_of(RecordNumber record);

    std::deque<Bucket> buckets_;
    std::uint64_t first_index_ = 0; // of buckets_[0]
};

} // namespace baton::broker::core
