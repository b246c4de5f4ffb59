#define _GNU_SOURCE
#include "cshims.h"

#include <crypt.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>

int pgvigil_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }

static int set_actions(posix_spawn_file_actions_t *actions, const struct pgvigil_child *child) {
    int error = 0;
    for (int fd = 0; fd < 3 && !error; fd++) error = posix_spawn_file_actions_adddup2(actions, child->streams[fd], fd);
    if (!error && child->directory) error = posix_spawn_file_actions_addchdir_np(actions, child->directory);
    return error;
}

static int set_attributes(posix_spawnattr_t *attributes, const struct pgvigil_child *child) {
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    if (child->in_new_session) flags |= POSIX_SPAWN_SETSID;
    int error = posix_spawnattr_setsigmask(attributes, &none);
    if (!error) error = posix_spawnattr_setsigdefault(attributes, &all);
    if (!error) error = posix_spawnattr_setflags(attributes, flags);
    return error;
}

int pgvigil_spawn(pid_t *pid, const struct pgvigil_child *child) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int error = posix_spawn_file_actions_init(&actions);
    if (error) return error;
    error = posix_spawnattr_init(&attributes);
    if (!error) {
        error = set_actions(&actions, child);
        if (!error) error = set_attributes(&attributes, child);
        if (!error) error = posix_spawnp(pid, child->arguments[0], &actions, &attributes, child->arguments, child->environment);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

int pgvigil_hash_is_usable(const char *hash) { return crypt_checksalt(hash) == CRYPT_SALT_OK; }

int pgvigil_password_matches(const char *password, const char *hash) {
    struct crypt_data *data = calloc(1, sizeof *data);
    if (!data) return 0;
    const char *found = crypt_r(password, hash, data);
    unsigned char difference = 1;
    if (found && found[0] != '*' && strlen(found) == strlen(hash)) {
        difference = 0;
        for (size_t i = 0; hash[i]; i++) difference |= (unsigned char)found[i] ^ (unsigned char)hash[i];
    }
    explicit_bzero(data, sizeof *data);
    free(data);
    return !difference;
}

CURLcode pgvigil_curl_harden(CURL *handle) {
    CURLcode code = curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
    if (!code) code = curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    if (!code) code = curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
    if (!code) code = curl_easy_setopt(handle, CURLOPT_PROXY, "");
    if (!code) code = curl_easy_setopt(handle, CURLOPT_NOPROXY, "*");
    if (!code) code = curl_easy_setopt(handle, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    if (!code) code = curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    if (!code) code = curl_easy_setopt(handle, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (!code) code = curl_easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, 1L);
    if (!code) code = curl_easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, 2L);
    if (!code) code = curl_easy_setopt(handle, CURLOPT_TCP_KEEPALIVE, 1L);
    if (!code) code = curl_easy_setopt(handle, CURLOPT_MAXAGE_CONN, 4L);
    if (!code) code = curl_easy_setopt(handle, CURLOPT_MAXLIFETIME_CONN, 300L);
    return code;
}

CURLcode pgvigil_curl_callbacks(CURL *handle, pgvigil_curl_sink body, pgvigil_curl_sink header, pgvigil_curl_gate gate,
                                pgvigil_curl_start start, void *context) {
    CURLcode code = curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, body);
    if (!code) code = curl_easy_setopt(handle, CURLOPT_WRITEDATA, context);
    if (!code) code = curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, header);
    if (!code) code = curl_easy_setopt(handle, CURLOPT_HEADERDATA, context);
    if (!code) code = curl_easy_setopt(handle, CURLOPT_OPENSOCKETFUNCTION, gate);
    if (!code) code = curl_easy_setopt(handle, CURLOPT_OPENSOCKETDATA, context);
    if (!code) code = curl_easy_setopt(handle, CURLOPT_PREREQFUNCTION, start);
    if (!code) code = curl_easy_setopt(handle, CURLOPT_PREREQDATA, context);
    return code;
}

CURLcode pgvigil_curl_set_mail(CURL *handle, struct curl_slist *recipients, pgvigil_curl_sink reader,
                               pgvigil_curl_tick tick, void *context, size_t count) {
    CURLcode code = curl_easy_setopt(handle, CURLOPT_MAIL_RCPT, recipients);
    if (!code) code = curl_easy_setopt(handle, CURLOPT_UPLOAD, 1L);
    if (!code) code = curl_easy_setopt(handle, CURLOPT_READFUNCTION, reader);
    if (!code) code = curl_easy_setopt(handle, CURLOPT_READDATA, context);
    if (!code) code = curl_easy_setopt(handle, CURLOPT_INFILESIZE_LARGE, (curl_off_t)count);
    if (!code) code = curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
    if (!code) code = curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, tick);
    if (!code) code = curl_easy_setopt(handle, CURLOPT_XFERINFODATA, context);
    if (!code) code = curl_easy_setopt(handle, CURLOPT_FORBID_REUSE, 1L);
    return code;
}

CURLcode pgvigil_curl_set_tick(CURL *handle, pgvigil_curl_tick tick, void *context) {
    CURLcode code = curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
    if (!code) code = curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, tick);
    return code ? code : curl_easy_setopt(handle, CURLOPT_XFERINFODATA, context);
}

CURLcode pgvigil_curl_set_body(CURL *handle, const void *bytes, size_t count) {
    CURLcode code = curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)count);
    return code ? code : curl_easy_setopt(handle, CURLOPT_COPYPOSTFIELDS, count ? bytes : "");
}

CURLcode pgvigil_curl_upload(CURL *handle, pgvigil_curl_sink source, void *context, int64_t count) {
    CURLcode code = curl_easy_setopt(handle, CURLOPT_UPLOAD, 1L);
    if (!code) code = curl_easy_setopt(handle, CURLOPT_READFUNCTION, source);
    if (!code) code = curl_easy_setopt(handle, CURLOPT_READDATA, context);
    return code ? code : curl_easy_setopt(handle, CURLOPT_INFILESIZE_LARGE, (curl_off_t)count);
}
