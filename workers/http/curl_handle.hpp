// libcurl's handle for the calling thread: reset before each use, connections kept.
#pragma once

#include <curl/curl.h>

#include <memory>

namespace baton::workers::http {

// Never null on a machine that has memory; valid until drop_handle() or the thread's end.
CURL* fresh_handle();
// After a call that went wrong: closes the thread's connections, so that none is used again.
void drop_handle();

struct ListFree {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using List = std::unique_ptr<curl_slist, ListFree>;

void append(List& list, const char* line);

} // namespace baton::workers::http
