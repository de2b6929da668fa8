// Who says what an expression gives. Live it is the evaluator; a check of all that could happen answers
// with either, what-if from a record. Nothing else of a decision differs between them.
#pragma once

#include "base/clock.hpp"
#include "orchestrator/core/data.hpp"
#include "orchestrator/core/document.hpp"
#include "orchestrator/expression/program.hpp"
#include "orchestrator/expression/template.hpp"

#include <string>
#include <string_view>

namespace baton::orchestrator::core {

// `what` is the key of the step the expression stands in: "when", "with".
class Judge {
public:
    virtual ~Judge() = default;

    virtual Evaluated<Document> fill(const expression::Template& source, const Reading& reading,
                                     std::string_view what) const = 0;
    // What gives anything but a table is a problem.
    virtual Evaluated<Document> fill_table(const expression::Template& source, const Reading& reading,
                                           std::string_view what) const = 0;
    // What gives anything but a list is a problem.
    virtual Evaluated<Document> list(const expression::Program& program, const Reading& reading,
                                     std::string_view what) const = 0;
    virtual Evaluated<std::string> text(const expression::Program& program, const Reading& reading,
                                        std::string_view what) const = 0;
    // What gives anything but a whole number from 1 to `most` is a problem.
    virtual Evaluated<std::uint32_t> count(const expression::Program& program, const Reading& reading,
                                           std::string_view what, std::uint32_t most) const = 0;
    virtual Evaluated<bool> holds(const expression::Program& program, const Reading& reading,
                                  std::string_view what) const = 0;
    virtual Evaluated<Time> moment(const expression::Program& program, const Reading& reading,
                                   std::string_view what) const = 0;
};

// The one that evaluates.
const Judge& evaluating_judge();

} // namespace baton::orchestrator::core
