/* 200 forks while calls run and threads take and cancel, so that some happen while a lock is held. In the
   child the inherited client and queue answer FORKED at once and are freed without harm, and new ones work;
   the parent notices nothing. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

enum { FORKS = 200, TAKERS = 2 };

static perceptis_client *client;
static perceptis_queue *queue;
static char *job_id;
static atomic_int ends, accepted, stop, released;
static pid_t parent;

static void *take(void *unused)
{
    perceptis_code code;
    (void)unused;
    do {
        perceptis_event *events[8];
        size_t taken = 0;
        code = perceptis_queue_take(queue, events, 8, -1, &taken, NULL);
        CHECK(code == PERCEPTIS_OK || code == PERCEPTIS_CLOSED);
        for (size_t i = 0; i < taken; i++) {
            if (perceptis_event_kind(events[i]) == PERCEPTIS_EVENT_FINISHED) atomic_fetch_add(&ends, 1);
            perceptis_event_free(events[i]);
        }
    } while (code == PERCEPTIS_OK);
    return NULL;
}

static void *submit(void *unused)
{
    (void)unused;
    for (uint64_t tag = 0; !atomic_load(&stop); tag++) {
        MUST(perceptis_wait_async(client, job_id, NULL, queue, tag, &failed));
        atomic_fetch_add(&accepted, 1);
        MUST(perceptis_queue_cancel(queue, tag, &failed));
    }
    return NULL;
}

static void ring(void *unused)
{
    (void)unused;
}

/* Releases the doorbell in the parent; the child calls nothing. */
static void release(void *unused)
{
    (void)unused;
    CHECK(getpid() == parent);
    atomic_fetch_add(&released, 1);
}

static void never(void *unused)
{
    (void)unused;
    CHECK(!"called");
}

static void child(int number)
{
    perceptis_event *event = NULL;
    size_t taken = 99;
    char *text = NULL;
    alarm(60); /* Whatever hangs is killed, and the parent sees it. */
    CHECK(perceptis_queue_take(queue, &event, 1, -1, &taken, NULL) == PERCEPTIS_FORKED && taken == 0);
    CHECK(perceptis_queue_fd(queue) == -1);
    CHECK(perceptis_queue_cancel(queue, 1, NULL) == PERCEPTIS_FORKED);
    CHECK(perceptis_queue_set_wakeup(queue, NULL, NULL, NULL) == PERCEPTIS_FORKED);
    CHECK(perceptis_queue_set_wakeup_with_release(queue, NULL, NULL, never, NULL) == PERCEPTIS_FORKED);
    CHECK(perceptis_queue_close(queue, NULL) == PERCEPTIS_FORKED);
    CHECK(perceptis_wait_async(client, job_id, NULL, queue, 1, NULL) == PERCEPTIS_FORKED);
    CHECK(perceptis_get_status(client, job_id, NULL, &text, NULL) == PERCEPTIS_FORKED);
    CHECK(perceptis_client_close(client, 1000, NULL) == PERCEPTIS_FORKED);
    CHECK(perceptis_client_activity(client, &text, NULL) == PERCEPTIS_FORKED);
    if (number % 4 == 0) {
        perceptis_client *own_client = NULL;
        perceptis_queue *own_queue = NULL;
        MUST(perceptis_client_new(NULL, &own_client, &failed));
        MUST(perceptis_queue_new(&own_queue, &failed));
        CHECK(perceptis_wait_async(own_client, job_id, NULL, queue, 1, NULL) == PERCEPTIS_FORKED);
        CHECK(perceptis_wait_async(client, job_id, NULL, own_queue, 1, NULL) == PERCEPTIS_FORKED);
        MUST(perceptis_get_status_async(own_client, "job_none", NULL, own_queue, 1, &failed));
        MUST(perceptis_queue_take(own_queue, &event, 1, -1, &taken, &failed));
        CHECK(taken == 1 && perceptis_event_code(event) == PERCEPTIS_NOT_FOUND);
        perceptis_event_free(event);
        perceptis_queue_free(own_queue);
        perceptis_client_free(own_client);
    }
    if (number % 2 == 0) {
        perceptis_queue_free(queue);
        perceptis_client_free(client);
    } else {
        perceptis_client_free(client);
        perceptis_queue_free(queue);
    }
    if (number % 3 == 0) _exit(EXIT_SUCCESS);
    exit(EXIT_SUCCESS);
}

int main(void)
{
    pthread_t threads[TAKERS + 1];
    MUST(perceptis_client_new(NULL, &client, &failed));
    MUST(perceptis_queue_new(&queue, &failed));
    MUST(perceptis_queue_set_wakeup_with_release(queue, ring, NULL, release, &failed));
    parent = getpid();
    job_id = new_job(client);
    for (int i = 0; i < TAKERS; i++) CHECK(pthread_create(&threads[i], NULL, take, NULL) == 0);
    CHECK(pthread_create(&threads[TAKERS], NULL, submit, NULL) == 0);
    for (int number = 0; number < FORKS; number++) {
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) child(number);
        int status = 0;
        CHECK(waitpid(pid, &status, 0) == pid);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
    }
    atomic_store(&stop, 1);
    CHECK(pthread_join(threads[TAKERS], NULL) == 0);
    MUST(perceptis_client_close(client, 60000, &failed));
    MUST(perceptis_queue_close(queue, &failed));
    for (int i = 0; i < TAKERS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(atomic_load(&ends) == atomic_load(&accepted) && atomic_load(&ends) > FORKS);
    perceptis_string_free(job_id);
    perceptis_client_free(client);
    CHECK(atomic_load(&released) == 0);
    perceptis_queue_free(queue);
    CHECK(atomic_load(&released) == 1);
    return EXIT_SUCCESS;
}
