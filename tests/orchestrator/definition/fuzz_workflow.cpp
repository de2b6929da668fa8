// Any bytes are a workflow or get complaints with places inside them; never a crash.
#include "base/assert.hpp"
#include "orchestrator/definition/loader.hpp"
#include "orchestrator/definition/source_text.hpp"

#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace baton::orchestrator::definition;
    const std::string_view source(reinterpret_cast<const char*>(data), size);
    const Loaded loaded = load(source, "fuzz.toml");
    const auto printed = render(loaded.diagnostics, source, true);
    BATON_ASSERT(loaded || !loaded.diagnostics.empty(), "a refusal has a reason");
    BATON_ASSERT(printed.empty() == loaded.diagnostics.empty(), "what is wrong is printed");
    for (const Diagnostic& diagnostic : loaded.diagnostics)
        BATON_ASSERT(diagnostic.line > 0 && diagnostic.column > 0 && !diagnostic.message.empty(),
                     "a complaint has a place and says something");
    return 0;
}
