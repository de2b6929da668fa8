#include "server/login_cache.hpp"

namespace baton::server {

std::optional<web::Login> LoginCache::find(const Asked& asked, std::uint64_t version) {
    if (version != version_) {
        entries_.clear();
        version_ = version;
    }
    const auto found = entries_.find({asked.user, asked.address});
    if (found == entries_.end() || found->second.is_loopback != asked.is_loopback ||
        !hashing_.matches(asked.password, found->second.password_hash))
        return std::nullopt;
    return found->second.login;
}

void LoginCache::keep(const Asked& asked, std::uint64_t version, const web::Login& login) {
    if (version != version_) return;
    if (entries_.size() >= entries_max) entries_.clear();
    entries_[{asked.user, asked.address}] = {hashing_.hash(asked.password), asked.is_loopback,
                                             login};
}

void LoginCache::forget(const Asked& asked) {
    entries_.erase({asked.user, asked.address});
}

} // namespace baton::server
