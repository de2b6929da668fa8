// Asio's TLS part, compiled once: the sandbox is the only room that serves TLS.
#include <boost/asio/ssl/impl/src.hpp>
