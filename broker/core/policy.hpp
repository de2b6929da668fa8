// Policies: settings for all queues and exchanges whose names match a pattern, put and removed while
// the broker runs. Of those that match a thing the one with the highest priority holds; an operator
// policy, chosen likewise, is laid over it, and of two numbers the smaller one stands.
//
// What a client asked for in its arguments stays as it is and goes before the policy, but for
// numbers: there, too, the smaller one stands.
#pragma once

#include "amqp/field_table.hpp"
#include "base/result.hpp"
#include "broker/core/record.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace baton::broker::core {

// What a policy may be for. A policy with a setting that such a thing does not know passes it by.
enum class PolicyTarget : std::uint8_t { exchange, classic_queue, quorum_queue, stream };

PolicyTarget target_from_queue(const amqp::FieldTable& arguments);

// Can this be a policy? The failure is precondition_failed with RabbitMQ's text.
Outcome<void> check_policy(const PolicyPut& policy);

// What holds for a thing; shared by all things for which the same policies hold.
struct AppliedPolicy {
    std::string name;          // empty: only an operator policy
    std::string operator_name; // empty: none
    amqp::FieldTable definition;
};

// The arguments of a queue as if the client had asked for what the policy says.
amqp::FieldTable arguments_under(const amqp::FieldTable& arguments, const AppliedPolicy& policy);

// The policies of one virtual host, with their patterns compiled.
class Policies {
public:
    Policies();
    ~Policies();
    Policies(const Policies&) = delete;
    Policies& operator=(const Policies&) = delete;

    void put(const PolicyPut& policy);
    void remove(const PolicyRemoved& removed);
    bool empty() const { return policies_.empty(); }
    bool contains(std::string_view name, bool is_operator) const;

    // Null: none holds.
    std::shared_ptr<const AppliedPolicy> match(PolicyTarget target, std::string_view name) const;

    // Operator policies last, each by name.
    template <typename Visit>
    void each(Visit&& visit) const {
        for (const auto& [key, policy] : policies_) visit(put_of(*policy));
    }

private:
    struct Policy;
    using Key = std::pair<bool, std::string>; // is it an operator policy, and its name
    static const PolicyPut& put_of(const Policy& policy);
    const Policy* best(bool is_operator, PolicyTarget target, std::string_view name) const;

    std::map<Key, std::unique_ptr<Policy>> policies_;
    std::vector<const Policy*> ordered_; // highest priority first
    // What has been laid over each other since the policies changed.
    mutable std::map<std::pair<const Policy*, const Policy*>, std::shared_ptr<const AppliedPolicy>>
        applied_;
};

} // namespace baton::broker::core
