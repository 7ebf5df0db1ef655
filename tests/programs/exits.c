/* The process ends with calls in flight and threads that wait for them. Usage: exits HOW JOB_ID */
#define _GNU_SOURCE
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>

static perceptis_client *client;
static perceptis_queue *queue;
static const char *job_id;
static atomic_int taker, blocker;

/* Waits until a thread waits in the library: for a futex. A handle may be freed while a call has it, and not
   before the call begins. Being asleep says less, since under valgrind a thread sleeps until it is its
   turn. */
static void until_inside(atomic_int *thread)
{
    char path[64];
    long call = -1;
    while (atomic_load(thread) == 0) sched_yield();
    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", atomic_load(thread));
    while (call != SYS_futex) {
        FILE *file = fopen(path, "r");
        CHECK(file != NULL);
        if (fscanf(file, "%ld", &call) != 1) call = -1; /* It runs. */
        fclose(file);
        sched_yield();
    }
}

static void *take(void *unused)
{
    atomic_store(&taker, (int)syscall(SYS_gettid));
    perceptis_event *event = NULL;
    size_t taken = 0;
    (void)unused;
    perceptis_queue_take(queue, &event, 1, -1, &taken, NULL);
    perceptis_event_free(event);
    return NULL;
}

static void *block(void *unused)
{
    atomic_store(&blocker, (int)syscall(SYS_gettid));
    char *status = NULL;
    (void)unused;
    perceptis_wait(client, job_id, NULL, &status, NULL);
    perceptis_string_free(status);
    return NULL;
}

static void *end_process(void *unused)
{
    (void)unused;
    exit(EXIT_SUCCESS);
}

static void ring(void *unused)
{
    (void)unused;
    exit(EXIT_SUCCESS);
}

/* The library works as ever while the process exits. */
static void use(void)
{
    perceptis_client *other = NULL;
    char *status = NULL;
    MUST(perceptis_wait_async(client, job_id, NULL, queue, 100, &failed));
    MUST(perceptis_queue_cancel(queue, 100, &failed));
    MUST(perceptis_client_new(NULL, &other, &failed));
    CHECK(perceptis_get_status(other, "job_none", NULL, &status, NULL) == PERCEPTIS_NOT_FOUND);
    MUST(perceptis_client_close(other, 60000, &failed));
    perceptis_client_free(other);
}

static void free_all(void)
{
    perceptis_queue_free(queue);
    perceptis_client_free(client);
}

int main(int argc, char **argv)
{
    CHECK(argc == 3);
    const char *how = argv[1];
    pthread_t thread;
    job_id = argv[2];
    alarm(60);
    /* Registered before the library is used, so that it runs after whatever that might have registered. */
    if (strcmp(how, "atexit") == 0) CHECK(atexit(use) == 0);
    if (strcmp(how, "free-atexit") == 0) CHECK(atexit(free_all) == 0);
    MUST(perceptis_client_new(NULL, &client, &failed));
    MUST(perceptis_queue_new(&queue, &failed));
    for (uint64_t tag = 0; tag < 10; tag++)
        MUST(perceptis_wait_async(client, job_id, NULL, queue, tag, &failed));
    CHECK(pthread_create(&thread, NULL, take, NULL) == 0);
    CHECK(pthread_create(&thread, NULL, block, NULL) == 0);
    if (strcmp(how, "free-atexit") == 0) {
        until_inside(&taker);
        until_inside(&blocker);
    }
    if (strcmp(how, "thread") == 0) {
        CHECK(pthread_create(&thread, NULL, end_process, NULL) == 0);
        pthread_join(thread, NULL);
    }
    if (strcmp(how, "doorbell") == 0) {
        perceptis_queue *other = NULL;
        MUST(perceptis_queue_new(&other, &failed));
        MUST(perceptis_queue_set_wakeup(other, ring, NULL, &failed));
        MUST(perceptis_get_status_async(client, "job_none", NULL, other, 1, &failed));
        for (;;) pause();
    }
    if (strcmp(how, "quick") == 0) quick_exit(EXIT_SUCCESS);
    return EXIT_SUCCESS;
}
