/* A runtime that runs callbacks on its main thread only: a callback that comes on another thread waits there
   until the main thread has run it. The main thread takes doorbells away and frees queues without waiting for
   these callbacks, and each doorbell is released once, after its last call. */
#include "check.h"
#include <stdatomic.h>
#include <string.h>

struct task {
    void (*run)(void *);
    void *user;
    int done;
    struct task *next;
};

struct bell {
    atomic_int rings, released;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct task *tasks;
static pthread_t main_thread;

static void run_on_main(void (*run)(void *), void *user)
{
    if (pthread_equal(pthread_self(), main_thread)) {
        run(user);
        return;
    }
    struct task task = {run, user, 0, NULL};
    struct task **last = &tasks;
    pthread_mutex_lock(&mutex);
    while (*last != NULL) last = &(*last)->next;
    *last = &task;
    pthread_cond_broadcast(&changed);
    while (!task.done) pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
}

/* Waits for a callback, and leaves it where it is. */
static void await_task(void)
{
    pthread_mutex_lock(&mutex);
    while (tasks == NULL) pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
}

static void run_task(void)
{
    await_task();
    pthread_mutex_lock(&mutex);
    struct task *task = tasks;
    tasks = task->next;
    pthread_mutex_unlock(&mutex);
    task->run(task->user);
    pthread_mutex_lock(&mutex);
    task->done = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
}

static void on_ring(void *user)
{
    struct bell *bell = user;
    CHECK(pthread_equal(pthread_self(), main_thread) && atomic_load(&bell->released) == 0);
    atomic_fetch_add(&bell->rings, 1);
}

static void on_release(void *user)
{
    struct bell *bell = user;
    CHECK(pthread_equal(pthread_self(), main_thread) && atomic_fetch_add(&bell->released, 1) == 0);
}

static void ring(void *user)
{
    run_on_main(on_ring, user);
}

static void release(void *user)
{
    run_on_main(on_release, user);
}

static void hang(perceptis_queue *queue, struct bell *bell)
{
    MUST(perceptis_queue_set_wakeup_with_release(queue, ring, bell, release, &failed));
}

static void take(perceptis_queue *queue)
{
    perceptis_event *event = NULL;
    size_t taken = 0;
    MUST(perceptis_queue_take(queue, &event, 1, 0, &taken, &failed));
    CHECK(taken == 1);
    perceptis_event_free(event);
}

int main(void)
{
    perceptis_client *client = NULL;
    perceptis_queue *queue = NULL;
    struct bell bells[4];
    memset(bells, 0, sizeof bells);
    main_thread = pthread_self();
    MUST(perceptis_client_new(NULL, &client, &failed));
    MUST(perceptis_queue_new(&queue, &failed));

    /* Replaced while its callback waits for this thread. */
    hang(queue, &bells[0]);
    ask_async(client, queue, 1);
    await_task();
    hang(queue, &bells[1]);
    CHECK(bells[0].rings == 0 && bells[0].released == 0);
    run_task();
    run_task();
    CHECK(bells[0].rings == 1 && bells[0].released == 1);
    take(queue);

    /* Replaced while nothing rings: released in the call. */
    hang(queue, &bells[2]);
    CHECK(bells[1].rings == 0 && bells[1].released == 1);

    /* The same with the queue freed, which does not wait either. */
    ask_async(client, queue, 2);
    await_task();
    perceptis_queue_free(queue);
    CHECK(bells[2].rings == 0 && bells[2].released == 0);
    run_task();
    run_task();
    CHECK(bells[2].rings == 1 && bells[2].released == 1);

    MUST(perceptis_queue_new(&queue, &failed));
    hang(queue, &bells[3]);
    perceptis_queue_free(queue);
    CHECK(bells[3].rings == 0 && bells[3].released == 1);
    MUST(perceptis_client_close(client, 60000, &failed));
    perceptis_client_free(client);
    CHECK(tasks == NULL);
    return EXIT_SUCCESS;
}
