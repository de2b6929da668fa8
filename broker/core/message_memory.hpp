// Memory for messages. The general allocator keeps only a handful of freed pieces of each size at
// hand, and a turn makes and ends hundreds of messages; here each thread keeps a bounded stock of
// freed pieces by size. A piece may be freed on another thread than it was made on.
#pragma once

#include <cstddef>

namespace baton::broker::core {

// At least `bytes`, aligned for any object. Throws std::bad_alloc like operator new.
void* take_message_memory(std::size_t bytes);
// `bytes` as it was asked for.
void give_message_memory(void* memory, std::size_t bytes);

} // namespace baton::broker::core
