// Stocks of freed pieces, one per thread and size.
#include "broker/core/message_memory.hpp"

#include <array>
#include <new>

namespace baton::broker::core {

namespace {

constexpr std::size_t step_bytes = 64;
constexpr std::size_t stocked_bytes_max = 1024;
// Per size: a thread holds back at most a megabyte or so in all.
constexpr std::size_t pieces_max = 128 * 1024 / step_bytes;

constexpr std::size_t stock_of(std::size_t bytes) { return (bytes - 1) / step_bytes; }

class Stocks {
public:
    Stocks() = default;
    Stocks(const Stocks&) = delete;
    Stocks& operator=(const Stocks&) = delete;
    ~Stocks() {
        for (Stock& stock : stocks_)
            while (void* piece = stock.take()) ::operator delete(piece);
        closed_ = true;
    }

    void* take(std::size_t bytes) {
        const std::size_t index = stock_of(bytes);
        if (void* piece = stocks_[index].take()) return piece;
        return ::operator new((index + 1) * step_bytes);
    }

    void give(void* memory, std::size_t bytes) {
        const std::size_t index = stock_of(bytes);
        // After the end of the thread's stocks some static object may still hold a message.
        if (closed_ || stocks_[index].count >= pieces_max / (index + 1))
            return ::operator delete(memory);
        stocks_[index].give(memory);
    }

private:
    struct Piece {
        Piece* next;
    };
    struct Stock {
        Piece* first = nullptr;
        std::size_t count = 0;

        void* take() {
            Piece* piece = first;
            if (piece == nullptr) return nullptr;
            first = piece->next;
            --count;
            return piece;
        }
        void give(void* memory) {
            first = new (memory) Piece{first};
            ++count;
        }
    };

    std::array<Stock, stocked_bytes_max / step_bytes> stocks_;
    bool closed_ = false;
};

thread_local Stocks stocks;

} // namespace

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BATON_SANITIZES_ADDRESSES
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define BATON_SANITIZES_ADDRESSES
#endif

#ifdef BATON_SANITIZES_ADDRESSES
// The sanitizer finds use after free only when memory really is freed.
void* take_message_memory(std::size_t bytes) { return ::operator new(bytes); }
void give_message_memory(void* memory, std::size_t) { ::operator delete(memory); }
#else
void* take_message_memory(std::size_t bytes) {
    return bytes > stocked_bytes_max ? ::operator new(bytes) : stocks.take(bytes);
}

void give_message_memory(void* memory, std::size_t bytes) {
    if (bytes > stocked_bytes_max)
        ::operator delete(memory);
    else
        stocks.give(memory, bytes);
}
#endif

} // namespace baton::broker::core
