/* The descriptor of a queue is readable exactly while events wait, under whatever watches it. */
#define _GNU_SOURCE
#include "check.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>

enum { CALLS = 200, ROOM = 16 };

static int by_poll(int fd, int timeout_ms)
{
    struct pollfd watched = {.fd = fd, .events = POLLIN};
    int ready = poll(&watched, 1, timeout_ms);
    CHECK(ready == 0 || (ready == 1 && watched.revents == POLLIN));
    return ready;
}

static int by_select(int fd, int timeout_ms)
{
    fd_set read;
    struct timeval none = {0, 0};
    FD_ZERO(&read);
    FD_SET(fd, &read);
    return select(fd + 1, &read, NULL, NULL, timeout_ms < 0 ? NULL : &none);
}

static int epoll = -1;

static int by_epoll(int fd, int timeout_ms)
{
    struct epoll_event event;
    (void)fd;
    int ready = epoll_wait(epoll, &event, 1, timeout_ms);
    CHECK(ready == 0 || (ready == 1 && event.events == EPOLLIN));
    return ready;
}

static void watch(int fd, uint32_t how)
{
    struct epoll_event event = {.events = EPOLLIN | how};
    if (epoll >= 0) close(epoll);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    CHECK(epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0);
}

static size_t take(perceptis_queue *queue, size_t room)
{
    perceptis_event *events[ROOM];
    size_t taken = 99;
    MUST(perceptis_queue_take(queue, events, room, 0, &taken, &failed));
    for (size_t i = 0; i < taken; i++) perceptis_event_free(events[i]);
    return taken;
}

/* All of a loop: calls come in, ends come out. */
static void drive(perceptis_client *client, perceptis_queue *queue, int (*wait)(int, int), int edges)
{
    static uint64_t base;
    int fd = perceptis_queue_fd(queue), finished = 0;
    base += CALLS;
    CHECK(wait(fd, 0) == 0);
    for (uint64_t tag = 0; tag < CALLS; tag++) ask_async(client, queue, base + tag);
    while (finished < CALLS) {
        size_t taken;
        CHECK(wait(fd, -1) == 1);
        do {
            taken = take(queue, ROOM);
            finished += (int)taken;
        } while (edges && taken == ROOM);
    }
    CHECK(wait(fd, 0) == 0 && take(queue, ROOM) == 0);
}

/* Puts ends into a queue that are there when this returns. */
static void put(const char *job_id, perceptis_queue *queue, uint64_t count)
{
    perceptis_client *client = NULL;
    MUST(perceptis_client_new(NULL, &client, &failed));
    for (uint64_t tag = 0; tag < count; tag++)
        MUST(perceptis_wait_async(client, job_id, NULL, queue, tag, &failed));
    MUST(perceptis_client_close(client, 60000, &failed));
    perceptis_client_free(client);
}

int main(void)
{
    perceptis_client *client = NULL;
    perceptis_queue *queue = NULL;
    MUST(perceptis_client_new(NULL, &client, &failed));
    char *job_id = new_job(client);
    MUST(perceptis_queue_new(&queue, &failed));
    int fd = perceptis_queue_fd(queue);
    CHECK(fd >= 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC) && (fcntl(fd, F_GETFL) & O_NONBLOCK));

    drive(client, queue, by_poll, 0);
    drive(client, queue, by_select, 0);
    watch(fd, 0);
    drive(client, queue, by_epoll, 0);
    watch(fd, EPOLLET);
    drive(client, queue, by_epoll, 1);

    /* Level: readable until the last event is out, however they are taken. */
    watch(fd, 0);
    int (*all[])(int, int) = {by_poll, by_select, by_epoll};
    for (int round = 0; round < 3; round++) {
        put(job_id, queue, 5);
        for (int i = 0; i < 3; i++) CHECK(all[i](fd, 0) == 1);
        CHECK(take(queue, 2) == 2 && take(queue, 2) == 2);
        for (int i = 0; i < 3; i++) CHECK(all[i](fd, 0) == 1);
        CHECK(take(queue, 1) == 1);
        for (int i = 0; i < 3; i++) CHECK(all[i](fd, 0) == 0);
    }

    /* Edge: one for each time that the queue begins to hold something. */
    watch(fd, EPOLLET);
    for (int round = 0; round < 3; round++) {
        CHECK(by_epoll(fd, 0) == 0);
        put(job_id, queue, 3);
        CHECK(by_epoll(fd, -1) == 1);
        CHECK(by_epoll(fd, 0) == 0);
        CHECK(take(queue, 2) == 2 && take(queue, 2) == 1);
    }

    /* Who reads it breaks the rules, and nothing else. */
    char bytes[8];
    put(job_id, queue, 1);
    CHECK(read(fd, bytes, sizeof bytes) == 1);
    CHECK(read(fd, bytes, sizeof bytes) == -1 && errno == EAGAIN);
    CHECK(take(queue, ROOM) == 1);
    put(job_id, queue, 1);
    CHECK(by_poll(fd, -1) == 1 && take(queue, ROOM) == 1 && by_poll(fd, 0) == 0);

    /* Closed, it is readable for good. */
    MUST(perceptis_queue_close(queue, &failed));
    CHECK(by_poll(fd, -1) == 1 && by_select(fd, -1) == 1);
    size_t taken = 0;
    perceptis_event *event = NULL;
    CHECK(perceptis_queue_take(queue, &event, 1, -1, &taken, NULL) == PERCEPTIS_CLOSED);
    CHECK(by_poll(fd, 0) == 1);

    perceptis_string_free(job_id);
    perceptis_queue_free(queue);
    CHECK(fcntl(fd, F_GETFD) == -1);
    perceptis_client_free(client);
    close(epoll);
    return EXIT_SUCCESS;
}
