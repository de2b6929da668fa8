// CRC-32C (Castagnoli, RFC 3720 appendix B.4), the journal's checksum. Uses the SSE 4.2 or ARMv8
// instruction where the processor has it.
#pragma once

#include "base/bytes.hpp"

#include <cstdint>

namespace baton {

// The checksum of `bytes` continued from `crc`; start with 0.
std::uint32_t crc32c(ByteView bytes, std::uint32_t crc = 0);

} // namespace baton
