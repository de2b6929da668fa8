// How many runs each run has led to, so that a workflow that calls itself for every item of a list
// stops somewhere long before the disk does. A family is all runs that go back to one root
// (ParentRef::root). The store is the truth, which counts what other processes began, too; between
// two looks at it what is begun here is added. Pure; the engine's thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace baton::orchestrator::runtime {

class Families {
public:
    explicit Families(std::uint64_t runs_max) : runs_max_(runs_max) {}

    std::uint64_t runs_max() const { return runs_max_; }
    // Whether the store is to be asked before take() is.
    bool is_to_be_counted(const std::string& root) const;
    // `runs`: that the store has of this family, the root left out; counted to runs_max() is
    // enough.
    void counted(const std::string& root, std::uint64_t runs);
    // One more begins. False: there are as many as may be.
    bool take(const std::string& root);

private:
    struct Family {
        std::uint64_t runs = 0;
        std::uint64_t since_count = 0; // asked for here
    };
    std::uint64_t runs_max_;
    std::map<std::string, Family, std::less<>> families_;
};

} // namespace baton::orchestrator::runtime
