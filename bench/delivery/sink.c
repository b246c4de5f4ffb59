// A receiver for the bench of delivery, and a client that shows how fast the receiver is.
//
// usage: sink serve FILE PORT            listens on a port of 127.0.0.1 (0: a free one), which it prints; answers each
//                                        request with 204, but never one whose path begins with /hang. At SIGTERM it writes to FILE,
//                                        for each request, its webhook-id and when it came, in microseconds since 1970.
//        sink load PORT COUNT CONNECTIONS  sends COUNT requests over kept connections, prints how many a second
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { most = 4096, room = 262144 };
struct connection { char *bytes; size_t count; } connections[most];
struct arrival { char id[37]; long long at; } *arrivals;
static size_t arrived, space;
static volatile sig_atomic_t stopped;
static const char answer[] = "HTTP/1.1 204 No Content\r\n\r\n";

static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}
static void stop(int signal) { (void)signal; stopped = 1; }

static void record(const char *head) {
    if (arrived == space) arrivals = realloc(arrivals, (space = space ? space * 2 : 65536) * sizeof *arrivals);
    struct arrival *one = &arrivals[arrived++];
    const char *id = strcasestr(head, "\r\nwebhook-id: ");
    one->id[0] = '-', one->id[1] = 0;
    if (id) sscanf(id + 14, "%36[^\r\n]", one->id);
    one->at = now();
}

// Answers each whole request that has come; 0 when the connection is to be closed.
static int take(int fd) {
    struct connection *c = &connections[fd];
    for (;;) {
        c->bytes[c->count] = 0;
        char *end = strstr(c->bytes, "\r\n\r\n");
        if (!end) return c->count < room - 1;
        *end = 0;
        char *length = strcasestr(c->bytes, "\r\ncontent-length:");
        size_t whole = (size_t)(end - c->bytes) + 4 + (length ? strtoul(length + 17, NULL, 10) : 0);
        if (c->count < whole) { *end = '\r'; return whole < room - 1; }
        record(c->bytes);
        char *path = strchr(c->bytes, ' ');
        if ((!path || strncmp(path, " /hang", 6)) && write(fd, answer, sizeof answer - 1) < 0) return 0;
        memmove(c->bytes, c->bytes + whole, c->count -= whole);
    }
}

static int serve(const char *file, int port) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), poll = epoll_create1(0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (void *)&address, size) || listen(listener, 1024)) return 1;
    getsockname(listener, (void *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    sigaction(SIGTERM, &(struct sigaction){ .sa_handler = stop }, NULL);
    struct epoll_event event = { .events = EPOLLIN, .data.fd = listener }, events[256];
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    while (!stopped) {
        int ready = epoll_wait(poll, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                    if (fd >= most) { close(fd); continue; }
                    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                    if (!connections[fd].bytes) connections[fd].bytes = malloc(room);
                    connections[fd].count = 0;
                    event.data.fd = fd;
                    epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
                }
                continue;
            }
            struct connection *c = &connections[fd];
            ssize_t count = read(fd, c->bytes + c->count, room - 1 - c->count);
            if (count > 0) c->count += (size_t)count;
            if (count <= 0 || !take(fd)) close(fd);
        }
    }
    FILE *out = fopen(file, "w");
    for (size_t i = 0; out && i < arrived; i++) fprintf(out, "%s\t%lld\n", arrivals[i].id, arrivals[i].at);
    return !out || fclose(out);
}

static int load(int port, int count, int width) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    char request[2048], body[1025], reply[4096];
    memset(body, 'x', 1024);
    body[1024] = 0;
    int length = snprintf(request, sizeof request, "POST /hook HTTP/1.1\r\nHost: sink\r\nwebhook-id: msg_load\r\n"
        "Content-Type: application/json\r\nContent-Length: 1024\r\n\r\n%s", body);
    int poll = epoll_create1(0), sent = 0, done = 0;
    struct epoll_event event = { .events = EPOLLIN }, events[256];
    long long begun = now();
    for (int i = 0; i < width; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(fd, (void *)&address, sizeof address)) return 1;
        event.data.fd = fd;
        epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
        if (sent < count && write(fd, request, (size_t)length) == length) sent++;
    }
    while (done < count) {
        int ready = epoll_wait(poll, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            if (read(events[i].data.fd, reply, sizeof reply) <= 0) return 1;
            done++;
            if (sent < count && write(events[i].data.fd, request, (size_t)length) == length) sent++;
        }
    }
    printf("%.0f\n", count / ((now() - begun) / 1e6));
    return 0;
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN);
    if (argc == 4 && !strcmp(argv[1], "serve")) return serve(argv[2], atoi(argv[3]));
    if (argc == 5 && !strcmp(argv[1], "load")) return load(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]));
    return 2;
}
