// The judge of live runs.
#include "orchestrator/core/judge.hpp"

namespace baton::orchestrator::core {
namespace {

class Evaluator final : public Judge {
    Evaluated<Document> fill(const expression::Template& source, const Reading& reading,
                             std::string_view what) const override {
        return core::fill(source, reading, what);
    }
    Evaluated<Document> fill_table(const expression::Template& source, const Reading& reading,
                                   std::string_view what) const override {
        return core::fill_table(source, reading, what);
    }
    Evaluated<Document> list(const expression::Program& program, const Reading& reading,
                             std::string_view what) const override {
        return core::list(program, reading, what);
    }
    Evaluated<std::string> text(const expression::Program& program, const Reading& reading,
                                std::string_view what) const override {
        BATON_ASSIGN(const auto value, core::evaluate(program, reading, what));
        return Evaluated<std::string>(boost::system::in_place_value, expression::to_plain_text(value));
    }
    Evaluated<std::uint32_t> count(const expression::Program& program, const Reading& reading, std::string_view what,
                                   std::uint32_t most) const override {
        return core::count(program, reading, what, most);
    }
    Evaluated<bool> holds(const expression::Program& program, const Reading& reading,
                          std::string_view what) const override {
        return core::decide(program, reading, what);
    }
    Evaluated<Time> moment(const expression::Program& program, const Reading& reading,
                           std::string_view what) const override {
        return core::moment(program, reading, what);
    }
};

} // namespace

const Judge& evaluating_judge() {
    static const Evaluator evaluator;
    return evaluator;
}

} // namespace baton::orchestrator::core
