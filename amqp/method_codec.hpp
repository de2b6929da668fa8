// One encode, one decode and one printer for all methods, from their field lists. A method's
// payload is class id, method id, then the fields (§4.2.4).
#pragma once

#include "amqp/buffer.hpp"
#include "amqp/methods.hpp"
#include "base/bytes.hpp"
#include "base/result.hpp"

#include <string>

namespace baton::amqp {

// Class and method id in front of a payload. Error: truncated.
Result<MethodId> peek_method_id(ByteView payload);

// Errors: truncated, trailing_bytes, unknown_class, unknown_method, unknown_field_type,
// nesting_too_deep.
Result<Method> decode_method(ByteView payload);

// When the id is known and only this method will do. Defined for every alternative of Method and
// for the views, which point into `payload`. Error unexpected_method if the id is another.
template <AnyMethod M>
Result<M> decode_method_as(ByteView payload);

// Appends ids and fields, without a frame around; on failure `out` is as before. Errors:
// short_string_too_long, value_too_large.
Status encode_method(const Method& method, Buffer& out);
template <AnyMethod M>
Status encode_method(const M& method, Buffer& out);

MethodId id_of(const Method& method);
std::string_view name_of(const Method& method);
// "queue.declare" for 50, 10; "class 50 method 99" for what nobody knows.
std::string name_of(MethodId id);

// "queue.declare{queue=q, durable=true}": fields that are false, zero or empty are left out,
// secrets are printed as ***.
std::string to_text(const Method& method);

} // namespace baton::amqp
