/* Eight threads submit, cancel, take, close and free, with delays from a seed, and in the end every accepted
   call has had exactly one final event, no progress after it, and no doorbell has rung after its end.
   Usage: storm SEED CALLS */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

enum { SUBMITTERS = 3, TAKERS = 2, CLIENTS = 3, MAX_CALLS = 20000 };

/* A client that is closed and freed under those who use it: freeing waits for them, as the header asks. */
struct slot {
    pthread_rwlock_t lock;
    perceptis_client *client;
};

static struct slot slots[CLIENTS];
static perceptis_queue *queue;
static char *job_id;
static unsigned seed;
static unsigned long calls;
static atomic_uint accepted[SUBMITTERS][MAX_CALLS], ended[SUBMITTERS][MAX_CALLS];
static atomic_int submitting = SUBMITTERS;

static unsigned chance(unsigned *state, unsigned below)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state % below;
}

static void dawdle(unsigned *state)
{
    switch (chance(state, 8)) {
    case 0: {
        struct timespec some = {0, (long)chance(state, 200000)};
        nanosleep(&some, NULL);
        break;
    }
    case 1: sched_yield(); break;
    default: break;
    }
}

static perceptis_client *hold(struct slot *slot)
{
    CHECK(pthread_rwlock_rdlock(&slot->lock) == 0);
    return slot->client;
}

static void let_go(struct slot *slot)
{
    CHECK(pthread_rwlock_unlock(&slot->lock) == 0);
}

static perceptis_code start(perceptis_client *client, perceptis_queue *into, uint64_t tag, unsigned *state)
{
    perceptis_code code;
    perceptis_options *options = perceptis_options_new();
    if (chance(state, 2)) MUST(perceptis_options_set(options, "progress", "true", &failed));
    if (chance(state, 8) == 0) MUST(perceptis_options_set(options, "timeout_ms", "1", &failed));
    switch (chance(state, 4)) {
    case 0: {
        char none[40];
        snprintf(none, sizeof none, "none_%x_%lx", chance(state, 1U << 30), (unsigned long)tag);
        code = perceptis_get_status_async(client, none, options, into, tag, NULL);
        break;
    }
    case 1: {
        perceptis_request *request = NULL;
        MUST(perceptis_request_new("single_slide", "Storm", &request, &failed));
        code = perceptis_generate_async(client, request, options, into, tag, NULL);
        perceptis_request_free(request);
        break;
    }
    default: code = perceptis_wait_async(client, job_id, options, into, tag, NULL); break;
    }
    perceptis_options_free(options);
    CHECK(code == PERCEPTIS_OK || code == PERCEPTIS_CLOSED);
    return code;
}

static void *submit(void *argument)
{
    uint64_t thread = (uint64_t)(size_t)argument;
    unsigned state = seed * 31 + (unsigned)thread + 1;
    for (uint64_t number = 0; number < calls; number++) {
        struct slot *slot = &slots[chance(&state, CLIENTS)];
        uint64_t tag = thread << 32 | number;
        /* Before the call: its event may come before it returns. */
        atomic_store(&accepted[thread][number], 1);
        if (start(hold(slot), queue, tag, &state) != PERCEPTIS_OK) atomic_store(&accepted[thread][number], 0);
        let_go(slot);
        /* A wait would go on for minutes: the one before last is cancelled, this one sometimes at once. */
        if (chance(&state, 3) == 0) MUST(perceptis_queue_cancel(queue, tag, &failed));
        if (number > 0) MUST(perceptis_queue_cancel(queue, tag - 1, &failed));
        if (chance(&state, 5) == 0) MUST(perceptis_queue_cancel(queue, chance(&state, 3), &failed));
        dawdle(&state);
    }
    atomic_fetch_sub(&submitting, 1);
    return NULL;
}

static void *take(void *argument)
{
    unsigned state = seed * 37 + (unsigned)(size_t)argument + 1;
    for (;;) {
        perceptis_event *events[32];
        size_t taken = 0;
        int64_t timeout = (int64_t)chance(&state, 4) - 1;
        perceptis_code code = perceptis_queue_take(queue, events, 1 + chance(&state, 32), timeout, &taken,
                                                   NULL);
        if (code == PERCEPTIS_CLOSED) return NULL;
        CHECK(code == PERCEPTIS_OK);
        for (size_t i = 0; i < taken; i++) {
            uint64_t tag = perceptis_event_tag(events[i]);
            if (perceptis_event_kind(events[i]) == PERCEPTIS_EVENT_FINISHED)
                atomic_fetch_add(&ended[tag >> 32][tag & 0xffffffff], 1);
            else CHECK(strstr(perceptis_event_json(events[i]), "\"phase\"") != NULL);
            perceptis_event_free(events[i]);
        }
        dawdle(&state);
    }
}

/* Closes and frees clients, and puts new ones in their places. */
static void *replace(void *unused)
{
    unsigned state = seed * 41 + 1;
    (void)unused;
    while (atomic_load(&submitting) > 0) {
        struct slot *slot = &slots[chance(&state, CLIENTS)];
        switch (chance(&state, 3)) {
        case 0: {
            perceptis_client *client = hold(slot);
            perceptis_code code = perceptis_client_close(client, chance(&state, 2) ? 0 : 60000, NULL);
            CHECK(code == PERCEPTIS_OK || code == PERCEPTIS_TIMEOUT);
            let_go(slot);
            break;
        }
        default: {
            perceptis_client *new = NULL;
            MUST(perceptis_client_new(NULL, &new, &failed));
            CHECK(pthread_rwlock_wrlock(&slot->lock) == 0);
            perceptis_client *old = slot->client;
            slot->client = new;
            let_go(slot);
            perceptis_client_free(old);
            break;
        }
        }
        struct timespec some = {0, 1000000L + (long)chance(&state, 4000000)};
        nanosleep(&some, NULL);
    }
    return NULL;
}

static void ring(void *alive)
{
    CHECK(atomic_load((atomic_int *)alive) == 1);
}

struct bell {
    atomic_int alive;
};

static atomic_int bells;

static void ring_bell(void *user)
{
    CHECK(atomic_load(&((struct bell *)user)->alive) == 1);
}

static void release(void *user)
{
    struct bell *bell = user;
    CHECK(atomic_exchange(&bell->alive, 0) == 1);
    free(bell);
    atomic_fetch_sub(&bells, 1);
}

/* Queues that are freed while calls that end in them run, and while their doorbells ring. */
static void *free_queues(void *unused)
{
    unsigned state = seed * 43 + 1;
    (void)unused;
    while (atomic_load(&submitting) > 0) {
        perceptis_queue *own = NULL;
        atomic_int alive = 1;
        MUST(perceptis_queue_new(&own, &failed));
        int releases = chance(&state, 2) == 1;
        struct bell *bell = malloc(sizeof *bell);
        CHECK(bell != NULL);
        atomic_init(&bell->alive, 1);
        atomic_fetch_add(&bells, 1);
        if (releases) MUST(perceptis_queue_set_wakeup_with_release(own, ring_bell, bell, release, &failed));
        else MUST(perceptis_queue_set_wakeup(own, ring, &alive, &failed));
        for (uint64_t tag = 0; tag < 8; tag++) {
            struct slot *slot = &slots[chance(&state, CLIENTS)];
            start(hold(slot), own, tag, &state);
            let_go(slot);
            if (chance(&state, 2)) MUST(perceptis_queue_cancel(own, tag, &failed));
        }
        dawdle(&state);
        if (chance(&state, 2)) MUST(perceptis_queue_close(own, &failed));
        if (releases && chance(&state, 4) == 0) MUST(perceptis_queue_set_wakeup(own, ring, &alive, &failed));
        perceptis_queue_free(own);
        atomic_store(&alive, 0);
        if (!releases) release(bell);
    }
    return NULL;
}

static void *block(void *unused)
{
    unsigned state = seed * 47 + 1;
    (void)unused;
    while (atomic_load(&submitting) > 0) {
        struct slot *slot = &slots[chance(&state, CLIENTS)];
        char *status = NULL, none[40];
        snprintf(none, sizeof none, "none_%x", chance(&state, 1U << 30));
        perceptis_code code = perceptis_get_status(hold(slot), none, NULL, &status, NULL);
        CHECK(code == PERCEPTIS_NOT_FOUND || code == PERCEPTIS_CLOSED);
        let_go(slot);
        dawdle(&state);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    CHECK(argc == 3);
    seed = (unsigned)strtoul(argv[1], NULL, 10) | 1;
    calls = strtoul(argv[2], NULL, 10);
    CHECK(calls <= MAX_CALLS);
    for (int i = 0; i < CLIENTS; i++) {
        CHECK(pthread_rwlock_init(&slots[i].lock, NULL) == 0);
        MUST(perceptis_client_new(NULL, &slots[i].client, &failed));
    }
    MUST(perceptis_queue_new(&queue, &failed));
    job_id = new_job(slots[0].client);

    pthread_t threads[SUBMITTERS + TAKERS + 3];
    size_t count = 0;
    for (size_t i = 0; i < TAKERS; i++) CHECK(pthread_create(&threads[count++], NULL, take, (void *)i) == 0);
    for (size_t i = 0; i < SUBMITTERS; i++)
        CHECK(pthread_create(&threads[count++], NULL, submit, (void *)i) == 0);
    CHECK(pthread_create(&threads[count++], NULL, replace, NULL) == 0);
    CHECK(pthread_create(&threads[count++], NULL, free_queues, NULL) == 0);
    CHECK(pthread_create(&threads[count++], NULL, block, NULL) == 0);
    for (size_t i = TAKERS; i < count; i++) CHECK(pthread_join(threads[i], NULL) == 0);

    /* Clients that were freed with calls in flight end these calls, too, and no thread waits for that. The
       test waits for the last clients. */
    for (int i = 0; i < CLIENTS; i++) {
        MUST(perceptis_client_close(slots[i].client, 60000, &failed));
        perceptis_client_free(slots[i].client);
    }
    unsigned long all = 0;
    for (size_t thread = 0; thread < SUBMITTERS; thread++) {
        for (unsigned long number = 0; number < calls; number++) {
            unsigned expected = atomic_load(&accepted[thread][number]);
            while (atomic_load(&ended[thread][number]) < expected) sched_yield();
            all += expected;
        }
    }
    MUST(perceptis_queue_close(queue, &failed));
    for (size_t i = 0; i < TAKERS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    for (size_t thread = 0; thread < SUBMITTERS; thread++)
        for (unsigned long number = 0; number < calls; number++)
            CHECK(atomic_load(&ended[thread][number]) == atomic_load(&accepted[thread][number]));
    /* Freed queues do not wait for the doorbells that they release. */
    while (atomic_load(&bells) > 0) sched_yield();
    printf("%lu calls accepted, each ended once\n", all);
    perceptis_queue_free(queue);
    for (int i = 0; i < CLIENTS; i++) pthread_rwlock_destroy(&slots[i].lock);
    perceptis_string_free(job_id);
    return EXIT_SUCCESS;
}
