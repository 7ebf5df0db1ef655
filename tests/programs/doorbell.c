/* The doorbell rings when a queue begins to hold something, and may call the library back. */
#include "check.h"
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

struct state {
    perceptis_client *client;
    perceptis_queue *queue;
    const char *job_id;
    sem_t rung;
    atomic_int rings;
    atomic_int in_ring, let_go, released;
};

static size_t take(perceptis_queue *queue, int64_t timeout_ms)
{
    perceptis_event *events[64];
    size_t taken = 0;
    MUST(perceptis_queue_take(queue, events, 64, timeout_ms, &taken, &failed));
    for (size_t i = 0; i < taken; i++) perceptis_event_free(events[i]);
    return taken;
}

static void count(void *user)
{
    struct state *state = user;
    atomic_fetch_add(&state->rings, 1);
    sem_post(&state->rung);
}

/* Everything that a callback may do, and what it may not. */
static void call_back(void *user)
{
    struct state *state = user;
    perceptis_event *event = NULL;
    size_t taken = 99;
    char *text = NULL;
    CHECK(perceptis_queue_take(state->queue, &event, 1, -1, &taken, NULL) == PERCEPTIS_WOULD_DEADLOCK
          && taken == 0);
    CHECK(perceptis_queue_take(state->queue, &event, 1, 5, &taken, NULL) == PERCEPTIS_WOULD_DEADLOCK);
    CHECK(perceptis_get_status(state->client, "job_none", NULL, &text, NULL) == PERCEPTIS_WOULD_DEADLOCK);
    CHECK(perceptis_client_close(state->client, 1000, NULL) == PERCEPTIS_WOULD_DEADLOCK);
    MUST(perceptis_client_activity(state->client, &text, &failed));
    perceptis_string_free(text);
    CHECK(take(state->queue, 0) == 1);
    int rings = atomic_fetch_add(&state->rings, 1) + 1;
    if (rings < 10) {
        MUST(
            perceptis_wait_async(state->client, state->job_id, NULL, state->queue, (uint64_t)rings, &failed));
        MUST(perceptis_queue_cancel(state->queue, (uint64_t)rings, &failed));
    } else {
        /* Away with itself: this must not wait for its own end. */
        MUST(perceptis_queue_set_wakeup(state->queue, NULL, NULL, &failed));
        sem_post(&state->rung);
    }
}

static void hold(void *user)
{
    struct state *state = user;
    atomic_store(&state->in_ring, 1);
    sem_post(&state->rung);
    while (!atomic_load(&state->let_go)) {}
    atomic_store(&state->in_ring, 0);
}

static void *let_go(void *user)
{
    atomic_store(&((struct state *)user)->let_go, 1);
    return NULL;
}

static void release(void *user)
{
    struct state *state = user;
    CHECK(atomic_load(&state->in_ring) == 0);
    atomic_fetch_add(&state->released, 1);
    sem_post(&state->rung);
}

/* Puts another in its own place, and is released after that. */
static void replace(void *user)
{
    struct state *state = user;
    atomic_store(&state->in_ring, 1);
    MUST(perceptis_queue_set_wakeup_with_release(state->queue, count, state, NULL, &failed));
    CHECK(atomic_load(&state->released) == 0);
    atomic_store(&state->in_ring, 0);
}

/* A release that hangs the next doorbell. */
static void hang_next(void *user)
{
    struct state *state = user;
    atomic_fetch_add(&state->released, 1);
    MUST(perceptis_queue_set_wakeup_with_release(state->queue, count, state, release, &failed));
}

static void free_all(void *user)
{
    struct state *state = user;
    perceptis_client_free(state->client);
    perceptis_queue_free(state->queue);
    sem_post(&state->rung);
}

static void await(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0) {}
}

int main(void)
{
    static struct state state;
    MUST(perceptis_client_new(NULL, &state.client, &failed));
    MUST(perceptis_queue_new(&state.queue, &failed));
    CHECK(sem_init(&state.rung, 0, 0) == 0);
    char *job_id = new_job(state.client);
    state.job_id = job_id;

    /* On empty to non-empty, and then only. */
    MUST(perceptis_queue_set_wakeup(state.queue, count, &state, &failed));
    for (int round = 1; round <= 5; round++) {
        perceptis_client *other = NULL;
        MUST(perceptis_client_new(NULL, &other, &failed));
        for (uint64_t tag = 0; tag < 20; tag++)
            MUST(perceptis_wait_async(other, job_id, NULL, state.queue, tag, &failed));
        MUST(perceptis_client_close(other, 60000, &failed));
        perceptis_client_free(other);
        CHECK(atomic_load(&state.rings) == round);
        CHECK(take(state.queue, 0) == 20);
    }

    /* It calls back, ten times, and then takes itself away. */
    atomic_store(&state.rings, 0);
    CHECK(sem_init(&state.rung, 0, 0) == 0);
    MUST(perceptis_queue_set_wakeup(state.queue, call_back, &state, &failed));
    ask_async(state.client, state.queue, 1001);
    await(&state.rung);
    CHECK(atomic_load(&state.rings) == 10);
    ask_async(state.client, state.queue, 1002);
    CHECK(take(state.queue, -1) == 1 && atomic_load(&state.rings) == 10);

    /* A thread that takes the doorbell away waits for a ring in progress, and so does a thread that frees
       the queue. */
    for (int frees = 0; frees < 2; frees++) {
        pthread_t thread;
        atomic_store(&state.let_go, 0);
        MUST(perceptis_queue_set_wakeup(state.queue, hold, &state, &failed));
        ask_async(state.client, state.queue, 1003 + (uint64_t)frees);
        await(&state.rung);
        CHECK(pthread_create(&thread, NULL, let_go, &state) == 0);
        if (frees) {
            perceptis_queue_free(state.queue);
        } else {
            MUST(perceptis_queue_set_wakeup(state.queue, NULL, NULL, &failed));
            CHECK(take(state.queue, 0) == 1);
        }
        CHECK(atomic_load(&state.in_ring) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }

    /* One with a release is told when it rings no more. Without a ring that is in the call. */
    MUST(perceptis_queue_new(&state.queue, &failed));
    MUST(perceptis_queue_set_wakeup_with_release(state.queue, count, &state, release, &failed));
    MUST(perceptis_queue_set_wakeup_with_release(state.queue, NULL, &state, release, &failed));
    CHECK(atomic_load(&state.released) == 2);
    MUST(perceptis_queue_set_wakeup_with_release(state.queue, count, &state, release, &failed));
    MUST(perceptis_queue_set_wakeup(state.queue, NULL, NULL, &failed));
    CHECK(atomic_load(&state.released) == 3);
    MUST(perceptis_queue_set_wakeup_with_release(state.queue, count, &state, hang_next, &failed));
    MUST(perceptis_queue_set_wakeup_with_release(state.queue, NULL, &state, hang_next, &failed));
    CHECK(atomic_load(&state.released) == 6);
    MUST(perceptis_queue_set_wakeup_with_release(state.queue, NULL, NULL, NULL, &failed));
    CHECK(atomic_load(&state.released) == 7);

    /* With a ring in progress it is on the thread of that ring, which nothing waits for. */
    for (int frees = 0; frees < 3; frees++) {
        CHECK(sem_init(&state.rung, 0, 0) == 0);
        atomic_store(&state.let_go, 0);
        atomic_store(&state.released, 0);
        perceptis_wakeup_function wakeup = frees == 1 ? replace : hold;
        MUST(perceptis_queue_set_wakeup_with_release(state.queue, wakeup, &state, release, &failed));
        ask_async(state.client, state.queue, 1005 + (uint64_t)frees);
        if (frees != 1) {
            await(&state.rung);
            if (frees) perceptis_queue_free(state.queue);
            else MUST(perceptis_queue_set_wakeup(state.queue, NULL, NULL, &failed));
            CHECK(atomic_load(&state.released) == 0 && atomic_load(&state.in_ring) == 1);
            let_go(&state);
        }
        await(&state.rung);
        CHECK(atomic_load(&state.released) == 1);
        if (frees < 2) CHECK(take(state.queue, -1) == 1);
    }

    /* And it may free all that it rings for. */
    CHECK(sem_init(&state.rung, 0, 0) == 0);
    atomic_store(&state.released, 0);
    MUST(perceptis_queue_new(&state.queue, &failed));
    MUST(perceptis_queue_set_wakeup_with_release(state.queue, free_all, &state, release, &failed));
    ask_async(state.client, state.queue, 1008);
    await(&state.rung);
    await(&state.rung);
    CHECK(atomic_load(&state.released) == 1);
    perceptis_string_free(job_id);
    return EXIT_SUCCESS;
}
