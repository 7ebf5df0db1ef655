/* The process ends with calls in flight and threads that wait for them. Usage: exits HOW JOB_ID */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include <pthread.h>
#include <string.h>

static perceptis_client *client;
static perceptis_queue *queue;
static const char *job_id;

static void *take(void *unused)
{
    perceptis_event *event = NULL;
    size_t taken = 0;
    (void)unused;
    perceptis_queue_take(queue, &event, 1, -1, &taken, NULL);
    perceptis_event_free(event);
    return NULL;
}

static void *block(void *unused)
{
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
    for (uint64_t tag = 0; tag < 10; tag++) MUST(perceptis_wait_async(client, job_id, NULL, queue, tag, &failed));
    CHECK(pthread_create(&thread, NULL, take, NULL) == 0);
    CHECK(pthread_create(&thread, NULL, block, NULL) == 0);
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
