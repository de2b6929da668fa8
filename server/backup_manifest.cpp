#include "server/backup_manifest.hpp"

#include "broker/journal/format.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace baton::server {

namespace json = boost::json;

namespace {

constexpr std::int64_t kind_of_manifest = 1;
constexpr std::string_view journal_folder = "journal/";

json::object object_of(const BackupFile& file) {
    json::object out;
    out["file"] = file.name;
    out["bytes"] = file.bytes;
    out["crc32c"] = file.crc;
    return out;
}

Failure refused(std::string_view why) {
    return {make_error_code(boost::system::errc::bad_message),
            fmt::format("manifest.json is not that of a backup of Baton: {}", why)};
}

std::optional<std::uint64_t> number_in(const json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    if (value == nullptr) return std::nullopt;
    ErrorCode error;
    const auto number = value->to_number<std::uint64_t>(error);
    if (error) return std::nullopt;
    return number;
}

std::string text_in(const json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string{};
}

std::optional<BackupFile> file_from(const json::value& value) {
    const auto* object = value.if_object();
    if (object == nullptr) return std::nullopt;
    const auto bytes = number_in(*object, "bytes");
    const auto crc = number_in(*object, "crc32c");
    if (!bytes || !crc || *crc > UINT32_MAX) return std::nullopt;
    return BackupFile{text_in(*object, "file"), *bytes, static_cast<std::uint32_t>(*crc)};
}

bool is_segment(std::string_view name) {
    return name.starts_with(journal_folder) &&
           broker::journal::segment_of_name(name.substr(journal_folder.size())).has_value();
}

Outcome<void> read_journal(const json::object& object, BackupManifest& manifest) {
    const auto* list = object.if_contains("journal");
    if (list == nullptr || list->is_null()) return boost::system::in_place_value;
    if (!list->is_array()) return refused("'journal' is no list");
    for (const auto& one : list->get_array()) {
        auto file = file_from(one);
        if (!file || !is_segment(file->name)) return refused("'journal' has an entry that is no segment");
        manifest.journal.push_back(std::move(*file));
    }
    return boost::system::in_place_value;
}

Outcome<void> read_cursors(const json::object& object, BackupManifest& manifest) {
    const auto* list = object.if_contains("outbox");
    if (list == nullptr || !list->is_array()) return refused("'outbox' is no list");
    for (const auto& one : list->get_array()) {
        const auto* entry = one.if_object();
        const auto part = entry != nullptr ? number_in(*entry, "partition") : std::nullopt;
        const auto published = entry != nullptr ? number_in(*entry, "published") : std::nullopt;
        if (!part || !published || *part > UINT16_MAX) return refused("'outbox' has a wrong entry");
        manifest.mark.cursors[static_cast<std::uint16_t>(*part)] = *published;
    }
    const auto at = number_in(object, "outbox_at");
    if (!at || *at > INT64_MAX) return refused("'outbox_at' is no time");
    manifest.mark.at = time_from_micros(static_cast<std::int64_t>(*at));
    return boost::system::in_place_value;
}

} // namespace

std::string to_json(const BackupManifest& manifest) {
    json::object out;
    out["baton_backup"] = kind_of_manifest;
    out["version"] = manifest.version;
    out["made_at"] = manifest.made_at;
    json::array journal;
    for (const BackupFile& file : manifest.journal) journal.emplace_back(object_of(file));
    out["journal"] = std::move(journal);
    out["runs"] = manifest.runs ? json::value(object_of(*manifest.runs)) : json::value(nullptr);
    json::array cursors;
    for (const auto& [part, published] : manifest.mark.cursors)
        cursors.emplace_back(json::object{{"partition", part}, {"published", published}});
    out["outbox"] = std::move(cursors);
    out["outbox_at"] = micros_of(manifest.mark.at);
    return json::serialize(out) + "\n";
}

Outcome<BackupManifest> read_manifest(const std::string& text) {
    ErrorCode error;
    const auto value = json::parse(text, error);
    const auto* object = error ? nullptr : value.if_object();
    if (object == nullptr) return refused("it is no JSON object");
    const auto kind = number_in(*object, "baton_backup");
    if (!kind) return refused("'baton_backup' is missing");
    if (*kind != kind_of_manifest) return refused("a newer Baton made it; restore with that one");
    BackupManifest manifest;
    manifest.made_at = text_in(*object, "made_at");
    manifest.version = text_in(*object, "version");
    BATON_TRY(read_journal(*object, manifest));
    BATON_TRY(read_cursors(*object, manifest));
    const auto* runs = object->if_contains("runs");
    if (runs == nullptr || runs->is_null()) return manifest;
    manifest.runs = file_from(*runs);
    if (!manifest.runs || manifest.runs->name != "runs.sqlite") return refused("'runs' is no file of runs");
    return manifest;
}

} // namespace baton::server
