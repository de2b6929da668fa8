#include "broker/core/living.hpp"

namespace baton::broker::core {

Living::Bucket& Living::bucket_of(RecordNumber record) {
    const std::uint64_t index = index_of(record);
    if (buckets_.empty()) first_index_ = index;
    while (index < first_index_) {
        buckets_.emplace_front();
        --first_index_;
    }
    while (index >= first_index_ + buckets_.size()) buckets_.emplace_back();
    return buckets_[static_cast<std::size_t>(index - first_index_)];
}

void Living::add(Message& message, RecordNumber record) {
    if (message.notes.record != 0) remove(message);
    // A long life leaves many empty lists behind the oldest message.
    while (!buckets_.empty() && buckets_.front().first == nullptr &&
           first_index_ < index_of(record)) {
        buckets_.pop_front();
        ++first_index_;
    }
    Bucket& bucket = bucket_of(record);
    message.notes.record = record;
    message.notes.older = bucket.last;
    message.notes.younger = nullptr;
    (bucket.last != nullptr ? bucket.last->notes.younger : bucket.first) = &message;
    bucket.last = &message;
}

void Living::remove(Message& message) {
    if (message.notes.record == 0) return;
    Message* older = message.notes.older;
    Message* younger = message.notes.younger;
    if (older == nullptr || younger == nullptr) {
        Bucket& bucket = bucket_of(message.notes.record);
        if (older == nullptr) bucket.first = younger;
        if (younger == nullptr) bucket.last = older;
    }
    if (older != nullptr) older->notes.younger = younger;
    if (younger != nullptr) younger->notes.older = older;
    message.notes.older = message.notes.younger = nullptr;
    message.notes.record = 0;
}

Message* Living::any_up_to(RecordNumber record) {
    for (std::size_t at = 0; at < buckets_.size() && first_index_ + at <= index_of(record); ++at)
        for (Message* message = buckets_[at].first; message != nullptr;
             message = message->notes.younger)
            if (message->notes.record <= record) return message;
    return nullptr;
}

} // namespace baton::broker::core
