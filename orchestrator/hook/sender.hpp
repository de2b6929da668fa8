// Whether who sent a request to a webhook knows its secret. Pure: the secrets, the request and the
// time come in.
//
//   hmac     HEADER: PREFIX + hex(HMAC-SHA256(secret, body))
//   slack    X-Slack-Signature: v0=hex(HMAC("v0:" + TIME + ":" + body)), X-Slack-Request-Timestamp:
//   TIME stripe   Stripe-Signature: t=TIME,v1=hex(HMAC(TIME + "." + body)),v1=.. bearer
//   Authorization: Bearer SECRET
//
// Whoever guesses learns nothing: comparing takes as long whatever is wrong, and the reason is for
// the log alone. A TIME that is further from now than the tolerance is refused, so that what
// somebody has written down cannot be sent again later; without a time in the signature the
// delivery's id keeps it from counting twice.
#pragma once

#include "base/clock.hpp"
#include "orchestrator/core/workflow.hpp"

#include <map>
#include <span>
#include <string>
#include <string_view>

namespace baton::orchestrator::hook {

// By names in small letters.
using Headers = std::map<std::string, std::string>;

// Empty: the sender knows one of the secrets. Else why not, for the log. An empty secret fits
// nothing.
std::string complaint_about_sender(const core::WebhookTrigger& trigger,
                                   std::span<const std::string> secrets, const Headers& headers,
                                   std::string_view body, Time now);

// Takes as long for texts of one length, wherever they differ.
bool equal_in_constant_time(std::string_view a, std::string_view b);

// The headers that may be read by expressions: those that show who asks stay out of runs.
Headers public_headers(const core::WebhookTrigger& trigger, const Headers& headers);

} // namespace baton::orchestrator::hook
