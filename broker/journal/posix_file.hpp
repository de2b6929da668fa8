// The real disk: a folder, and the lock that keeps a second server out of it.
#pragma once

#include "broker/journal/file.hpp"

namespace baton::broker::journal {

// Opens the folder at `path`, making it (and its parents) if it does not exist.
Outcome<std::unique_ptr<Directory>> open_posix_directory(const std::string& path);

// Holds `<path>/baton.lock` while it lives. The system lets go of the lock when the process ends,
// however it ends.
class DataFolderLock {
public:
    // Makes the folder if needed. Errc::locked if another server, also one in this process, has it.
    static Outcome<DataFolderLock> take(const std::string& path);

    DataFolderLock(DataFolderLock&& other) noexcept;
    DataFolderLock& operator=(DataFolderLock&& other) noexcept;
    ~DataFolderLock();

private:
    explicit DataFolderLock(int descriptor) : descriptor_(descriptor) {}
    int descriptor_ = -1;
};

} // namespace baton::broker::journal
