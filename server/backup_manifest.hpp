// What a backup says of itself: manifest.json. Pure.
#pragma once

#include "base/result.hpp"
#include "db/backup.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace baton::server {

struct BackupFile {
    std::string name; // below the backup's folder
    std::uint64_t bytes = 0;
    std::uint32_t crc = 0; // CRC-32C
};

struct BackupManifest {
    std::string made_at; // RFC 3339
    std::string version; // of the program that made it
    // The segments, oldest first; none: an outside broker keeps the messages.
    std::vector<BackupFile> journal;
    // Nothing: they are in PostgreSQL, whose dump is the operator's.
    std::optional<BackupFile> runs;
    db::OutboxMark mark; // for runs in PostgreSQL: they go on from here
};

std::string to_json(const BackupManifest& manifest);
// Refuses what is no manifest, one of a newer kind, and names that lead out of the folder.
Outcome<BackupManifest> read_manifest(const std::string& text);

} // namespace baton::server
