// Reads [[step]] and what is nested in it into the draft: kinds, keys, values, expressions. Names
// of other steps stay texts; names.hpp resolves them.
#pragma once

#include "orchestrator/definition/call_reader.hpp"
#include "orchestrator/definition/repetition_reader.hpp"

namespace baton::orchestrator::definition {

class StepReader {
public:
    StepReader(Draft& draft, ValueReader& values, ExpressionReader& expressions,
               const CallDefaults& defaults)
        : draft_(draft),
          values_(values),
          expressions_(expressions),
          calls_(values, expressions),
          repetitions_(draft, values, expressions),
          defaults_(defaults) {}

    // `list` is the value of `step`, `do` or `parallel`, already known to be a list of tables.
    void read_all(const TomlNode& list, core::StepIndex parent, core::Phase phase = core::Phase::main);

private:
    void read(const TomlNode& table, core::StepIndex parent, core::Phase phase);
    void read_id(const TomlNode& table, DraftStep& step, bool has_wrong_keys);
    // The entry that says what the step does; null if none does or several do.
    const TomlEntry* find_kind(const TomlNode& table, DraftStep& step, bool has_wrong_keys);
    void check_fitting(const TomlNode& table, const DraftStep& step);
    void read_kind(const TomlEntry& entry, core::StepIndex index);
    const TomlNode& meant(TomlNode table);
    void read_http(const TomlEntry& entry, core::StepIndex index);
    void read_transform(const TomlEntry& entry, core::StepIndex index);
    void read_switch(const TomlEntry& entry, core::StepIndex index);
    core::SwitchCase read_case(const TomlNode& table, core::StepIndex index, std::size_t number,
                               bool is_last);
    void refuse_in_closing(const TomlEntry& entry, core::StepIndex index, std::string_view why);
    std::optional<core::StepKind> read_end(const TomlEntry& entry, core::StepIndex index);
    std::optional<core::StepKind> read_fail(const TomlEntry& entry, core::StepIndex index);
    std::optional<core::SignalKind> read_signal(const TomlEntry& entry, core::StepIndex index);
    std::optional<core::EventKind> read_event(const TomlEntry& entry, core::StepIndex index);
    std::string event_type(const TomlEntry& entry);
    bool read_match(const TomlEntry& entry, core::StepIndex index, core::EventKind& event);
    std::optional<core::ApprovalKind> read_approval(const TomlEntry& entry, core::StepIndex index);
    std::optional<expression::Template> read_asked(const TomlEntry& entry, core::StepIndex index, std::uint32_t quorum);
    std::optional<core::EmitKind> read_emit(const TomlEntry& entry, core::StepIndex index);
    std::optional<core::FirstOfKind> read_first_of(const TomlEntry& entry, core::StepIndex index);
    void read_way(const TomlEntry& entry, core::StepIndex index, core::FirstOfKind& first);
    void read_order(const TomlNode& table, DraftStep& step);
    void read_join(const TomlEntry& entry, DraftStep& step);
    void read_handling(const TomlNode& table, core::StepIndex index);
    void read_catch(const TomlEntry& entry, core::StepIndex index);
    void read_catch_rule(const TomlNode& table, core::StepIndex index);
    void read_cache(const TomlEntry& entry, core::StepIndex index);
    void read_verify(const TomlEntry& entry, core::StepIndex index);
    void read_compensate(const TomlEntry& entry, core::StepIndex index);
    void read_on_timeout(const TomlEntry& entry, DraftStep& step);

    Draft& draft_;
    ValueReader& values_;
    ExpressionReader& expressions_;
    CallReader calls_;
    RepetitionReader repetitions_;
    const CallDefaults& defaults_;
};

} // namespace baton::orchestrator::definition
