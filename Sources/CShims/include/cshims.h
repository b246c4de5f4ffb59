// What Swift cannot call by itself: variadic C functions and headers that the Glibc module leaves out.
#pragma once
#include <curl/curl.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/// A counter that poll(2) can wait on; non-blocking, closed on exec. -1 and errno on failure.
static inline int pgvigil_eventfd(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

/// An unconnected datagram socket for the service manager's notification address.
static inline int pgvigil_unix_datagram_socket(void) { return socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0); }

/// MHD_start_daemon with every option in one array (terminated by MHD_OPTION_END).
static inline struct MHD_Daemon *pgvigil_mhd_start(unsigned flags, uint16_t port, MHD_AccessHandlerCallback handler,
                                                   void *context, struct MHD_OptionItem *options) {
    return MHD_start_daemon(flags, port, NULL, NULL, handler, context, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
}

/// Whether crypt(3) knows the hash's method and finds it strong enough.
int pgvigil_hash_is_usable(const char *hash);

/// Whether the password gives the hash; as slow as the hash wants it, and in constant time otherwise.
int pgvigil_password_matches(const char *password, const char *hash);

/// Names the calling thread; Linux keeps 15 bytes.
static inline void pgvigil_name_thread(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }

/// A pipe whose ends no child inherits unless told to; -1 and errno on failure.
int pgvigil_pipe(int ends[2]);

/// How to start a child process; it begins with no signal blocked or ignored.
struct pgvigil_child {
    char *const *arguments;    ///< The program, looked up in PATH, and its arguments; ends with NULL.
    char *const *environment;  ///< Ends with NULL.
    const char *directory;     ///< NULL for the present one.
    int streams[3];            ///< What becomes standard input, output and error.
    int in_new_session;        ///< Non-zero: signals from the terminal do not reach it.
};

/// Starts a child; returns 0 or an error number.
int pgvigil_spawn(pid_t *pid, const struct pgvigil_child *child);

/// The socket of a connection, or -1.
static inline int pgvigil_mhd_socket(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info ? info->connect_fd : -1;
}

/// What the connection's start callback left for the connection, or null.
static inline void *pgvigil_mhd_socket_context(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

/// Called with what a reply holds: bytes, their count in two factors, and the transfer's context.
typedef size_t (*pgvigil_curl_sink)(char *bytes, size_t size, size_t count, void *context);

/// Called before a socket is made for an address; -1 refuses it.
typedef curl_socket_t (*pgvigil_curl_gate)(void *context, curlsocktype purpose, struct curl_sockaddr *address);

/// Called before each request on a connection, whose addresses and ports it is told; 0 lets it go out.
typedef int (*pgvigil_curl_start)(void *context, char *remote, char *local, int remotePort, int localPort);

/// What every request of ours has in common: http and https alone, TLS 1.2 at least and verified, no redirects, no
/// proxy from the environment, no signals, no decompression. Connections are kept for less long than servers do, who
/// mostly wait 5 s, so that a request seldom meets one that is being closed; and none so long that a name's new address
/// is never dialled.
CURLcode pgvigil_curl_harden(CURL *handle);

/// Sends replies, their header lines, the addresses to be dialled and the begin of requests to four functions, all with
/// one context.
CURLcode pgvigil_curl_callbacks(CURL *handle, pgvigil_curl_sink body, pgvigil_curl_sink header, pgvigil_curl_gate gate,
                                pgvigil_curl_start start, void *context);

/// Called now and then while a transfer runs; anything but 0 ends it.
typedef int (*pgvigil_curl_tick)(void *context, curl_off_t, curl_off_t, curl_off_t, curl_off_t);

/// Makes the request a mail of so many bytes for recipients, who must outlive it, on a connection that is not kept.
CURLcode pgvigil_curl_set_mail(CURL *handle, struct curl_slist *recipients, pgvigil_curl_sink reader,
                               pgvigil_curl_tick tick, void *context, size_t count);

/// curl_easy_setopt for a number.
static inline CURLcode pgvigil_curl_set_long(CURL *handle, CURLoption option, long value) {
    return curl_easy_setopt(handle, option, value);
}

/// curl_easy_setopt for a text, which curl copies.
static inline CURLcode pgvigil_curl_set_text(CURL *handle, CURLoption option, const char *value) {
    return curl_easy_setopt(handle, option, value);
}

/// The header lines of a request, which must outlive it.
static inline CURLcode pgvigil_curl_set_headers(CURL *handle, struct curl_slist *headers) {
    return curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
}

/// Addresses to take for names instead of asking the name server, as NAME:PORT:ADDRESS; they must outlive the request.
static inline CURLcode pgvigil_curl_set_answers(CURL *handle, struct curl_slist *answers) {
    return curl_easy_setopt(handle, CURLOPT_RESOLVE, answers);
}

/// Has `tick` called about once a second while a request runs; what is not 0 ends it.
CURLcode pgvigil_curl_set_tick(CURL *handle, pgvigil_curl_tick tick, void *context);

/// The body of a request, which curl copies.
CURLcode pgvigil_curl_set_body(CURL *handle, const void *bytes, size_t count);

/// Sends what `source` gives, `count` bytes in all, as the body of a PUT.
CURLcode pgvigil_curl_upload(CURL *handle, pgvigil_curl_sink source, void *context, int64_t count);

/// curl_easy_getinfo for a number; 0 when there is none.
static inline long pgvigil_curl_long(CURL *handle, CURLINFO info) {
    long value = 0;
    return curl_easy_getinfo(handle, info, &value) == CURLE_OK ? value : 0;
}

/// curl_easy_getinfo for a time in microseconds; 0 when there is none.
static inline int64_t pgvigil_curl_microseconds(CURL *handle, CURLINFO info) {
    curl_off_t value = 0;
    return curl_easy_getinfo(handle, info, &value) == CURLE_OK ? value : 0;
}

/// curl_easy_getinfo for a text; null when there is none. The handle owns it.
static inline const char *pgvigil_curl_text(CURL *handle, CURLINFO info) {
    char *value = NULL;
    return curl_easy_getinfo(handle, info, &value) == CURLE_OK ? value : NULL;
}

/// curl_multi_setopt for a number.
static inline CURLMcode pgvigil_curl_multi_set(CURLM *multi, CURLMoption option, long value) {
    return curl_multi_setopt(multi, option, value);
}
