// The other design, for a ratio: one transaction for each delivery, with the request inside of it.
//
// usage: peer URL PROCESSES   sends what bench.queue holds, by so many processes that each have a session and a kept
//                             connection, and prints how many a second. Connects as libpq's environment says.
#include <curl/curl.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static size_t drop(char *bytes, size_t size, size_t count, void *context) {
    (void)bytes, (void)context;
    return size * count;
}

static PGresult *run(PGconn *connection, const char *name, int count, const char *const *values) {
    PGresult *result = PQexecPrepared(connection, name, count, values, NULL, NULL, 0);
    if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK) {
        fprintf(stderr, "%s", PQerrorMessage(connection));
        exit(1);
    }
    return result;
}

static long work(const char *url) {
    PGconn *connection = PQconnectdb("");
    CURL *curl = curl_easy_init();
    PQclear(PQprepare(connection, "begin", "begin", 0, NULL));
    PQclear(PQprepare(connection, "commit", "commit", 0, NULL));
    PQclear(PQprepare(connection, "take",
        "select id, body from bench.queue order by id limit 1 for update skip locked", 0, NULL));
    PQclear(PQprepare(connection, "end", "with gone as (delete from bench.queue where id = $1 returning id) "
        "insert into bench.ended select id, $2::integer, clock_timestamp() from gone", 0, NULL));
    for (long sent = 0;; sent++) {
        PQclear(run(connection, "begin", 0, NULL));
        PGresult *row = run(connection, "take", 0, NULL);
        if (!PQntuples(row)) return sent;
        long status = 0;
        char text[16], header[64];
        snprintf(header, sizeof header, "webhook-id: %s", PQgetvalue(row, 0, 0));
        struct curl_slist *headers = curl_slist_append(curl_slist_append(NULL, header), "Content-Type: application/json");
        curl_easy_setopt(curl, CURLOPT_URL, url);
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, PQgetvalue(row, 0, 1));
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop);
        if (curl_easy_perform(curl) == CURLE_OK) curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        snprintf(text, sizeof text, "%ld", status);
        PQclear(run(connection, "end", 2, (const char *[]){ PQgetvalue(row, 0, 0), text }));
        PQclear(run(connection, "commit", 0, NULL));
        curl_slist_free_all(headers);
        PQclear(row);
    }
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    struct timespec begun, ended;
    int lines[2], processes = atoi(argv[2]);
    if (pipe(lines)) return 1;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    for (int i = 0; i < processes; i++) {
        if (fork()) continue;
        long sent = work(argv[1]);
        return write(lines[1], &sent, sizeof sent) != sizeof sent;
    }
    long total = 0, sent;
    for (int i = 0; i < processes && read(lines[0], &sent, sizeof sent) == sizeof sent; i++) total += sent;
    while (wait(NULL) > 0) {}
    clock_gettime(CLOCK_MONOTONIC, &ended);
    printf("%.0f\n", total / (ended.tv_sec - begun.tv_sec + (ended.tv_nsec - begun.tv_nsec) / 1e9));
    return 0;
}
