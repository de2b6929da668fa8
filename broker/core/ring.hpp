// A double-ended queue in one piece of memory whose size is a power of two. Unlike std::deque it
// costs nothing while empty, keeps neighbours together and can insert near either end cheaply.
#pragma once

#include "base/assert.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <memory>
#include <new>
#include <utility>

namespace baton::broker::core {

template <typename T>
class Ring {
public:
    Ring() = default;
    Ring(Ring&& other) noexcept { swap(other); }
    Ring& operator=(Ring&& other) noexcept {
        Ring moved(std::move(other));
        swap(moved);
        return *this;
    }
    ~Ring() {
        clear();
        std::allocator<T>().deallocate(memory_, capacity_);
    }

    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }

    T& operator[](std::size_t index) { return memory_[(first_ + index) & (capacity_ - 1)]; }
    const T& operator[](std::size_t index) const {
        return memory_[(first_ + index) & (capacity_ - 1)];
    }
    T& front() { return memory_[first_]; }
    const T& front() const { return memory_[first_]; }
    T& back() { return (*this)[size_ - 1]; }
    const T& back() const { return (*this)[size_ - 1]; }

    void push_back(T&& item) { emplace_back(std::move(item)); }

    template <typename... Parts>
    T& emplace_back(Parts&&... parts) {
        if (size_ == capacity_) grow();
        T* place = std::construct_at(&memory_[(first_ + size_) & (capacity_ - 1)],
                                     std::forward<Parts>(parts)...);
        ++size_;
        return *place;
    }

    void push_front(T&& item) {
        if (size_ == capacity_) grow();
        first_ = (first_ + capacity_ - 1) & (capacity_ - 1);
        std::construct_at(&memory_[first_], std::move(item));
        ++size_;
    }

    T pop_front() {
        BATON_ASSERT(size_ != 0, "the ring is empty");
        T& place = memory_[first_];
        T item = std::move(place);
        std::destroy_at(&place);
        first_ = (first_ + 1) & (capacity_ - 1);
        --size_;
        return item;
    }

    void drop_front() {
        std::destroy_at(&memory_[first_]);
        first_ = (first_ + 1) & (capacity_ - 1);
        --size_;
    }

    void drop_back() {
        std::destroy_at(&back());
        --size_;
    }

    // Moves whichever side of `index` is shorter.
    void insert(std::size_t index, T&& item) {
        if (index * 2 < size_) {
            push_front(std::move(item));
            for (std::size_t at = 0; at < index; ++at) std::swap((*this)[at], (*this)[at + 1]);
        } else {
            push_back(std::move(item));
            for (std::size_t at = size_ - 1; at > index; --at)
                std::swap((*this)[at], (*this)[at - 1]);
        }
    }

    T take(std::size_t index) {
        if (index * 2 < size_) {
            for (std::size_t at = index; at > 0; --at) std::swap((*this)[at], (*this)[at - 1]);
            return pop_front();
        }
        for (std::size_t at = index; at + 1 < size_; ++at)
            std::swap((*this)[at], (*this)[at + 1]);
        T item = std::move(back());
        drop_back();
        return item;
    }

    void clear() {
        while (size_ != 0) drop_front();
    }

    // Gives memory back after a large backlog has gone.
    void shrink_when_empty() {
        if (size_ != 0 || capacity_ <= shrink_above) return;
        std::allocator<T>().deallocate(memory_, capacity_);
        memory_ = nullptr;
        capacity_ = 0;
        first_ = 0;
    }

    // The same when little of it is left.
    void shrink() {
        if (capacity_ > shrink_above && size_ * 4 < capacity_) resize(fitting(size_));
    }

    void swap(Ring& other) noexcept {
        std::swap(memory_, other.memory_);
        std::swap(capacity_, other.capacity_);
        std::swap(first_, other.first_);
        std::swap(size_, other.size_);
    }

private:
    static constexpr std::size_t smallest = 8;
    static constexpr std::size_t shrink_above = 1024;

    void grow() { resize(capacity_ == 0 ? smallest : capacity_ * 2); }

    static std::size_t fitting(std::size_t size) { return std::bit_ceil(std::max(size, smallest)); }

    void resize(std::size_t wanted) {
        T* bigger = std::allocator<T>().allocate(wanted);
        for (std::size_t at = 0; at < size_; ++at) {
            T& from = (*this)[at];
            std::construct_at(bigger + at, std::move(from));
            std::destroy_at(&from);
        }
        std::allocator<T>().deallocate(memory_, capacity_);
        memory_ = bigger;
        capacity_ = wanted;
        first_ = 0;
    }

    T* memory_ = nullptr;
    std::size_t capacity_ = 0;
    std::size_t first_ = 0;
    std::size_t size_ = 0;
};

} // namespace baton::broker::core
