// One client of an I/O thread, whatever it speaks, as Connections knows it: it gets commands of the
// core and writes, reads as long as there is room for what it says, and goes when memory is short.
// On its thread.
#pragma once

#include "broker/core/command.hpp"
#include "broker/core/traffic.hpp"

#include <cstdint>
#include <string>

namespace baton::broker::net {

class Client {
public:
    virtual ~Client() = default;

    // True for the first command since the last flush().
    virtual bool add(core::Command& command) = 0;
    // Writes as much as the socket takes now; the rest later.
    virtual void flush() = 0;
    // Reads again, after it had waited for the inlet.
    virtual void resume() = 0;
    // Ends the connection without another word.
    virtual void drop() = 0;
    // Tells the client's kernel that what it sent is here, unless something written since did.
    virtual void acknowledge() = 0;
    // What it keeps in memory, about.
    virtual std::uint64_t held_bytes() const = 0;
    virtual core::Traffic traffic() const = 0;
    // It ends in a moment, and what it holds is free then.
    virtual bool is_going() const = 0;
    // It was told that it is ended, and has not gone yet.
    virtual bool was_told() const { return false; }
    // It holds a publish that we do not take, as publishers have to wait.
    virtual bool waits_to_publish() const = 0;
    // Who logged in; empty: nobody yet.
    virtual const std::string& user() const = 0;
    // Memory is short and its user holds most: what it can do without goes, or it goes itself.
    virtual void let_go() = 0;
    // Did it log in?
    virtual bool is_open() const = 0;
};

} // namespace baton::broker::net
