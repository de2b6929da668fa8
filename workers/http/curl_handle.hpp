// libcurl's handle for the calling thread: reset before each use, connections kept.
#pragma once

#include <curl/curl.h>

#include <memory>

namespace baton::workers::http {

// Never null on a machine that has memory; valid until the thread ends.
CURL* fresh_handle();

struct ListFree {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using List = std::unique_ptr<curl_slist, ListFree>;

void append(List& list, const char* line);

} // namespace baton::workers::http
