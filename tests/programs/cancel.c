/* No function of the header is a cancellation point: a thread that is cancelled ends at a point of the
   program's own, and the library's threads are not cancelled at all. Usage: cancel DIRECTORY */
#define _GNU_SOURCE
#include "check.h"
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>

static const char *directory;
static perceptis_config *config;
static perceptis_client *client;
static perceptis_queue *queue;
static perceptis_request *request;
static perceptis_options *options;
static char *job_id;
static _Atomic pthread_t library_thread, log_thread;
static sem_t rung;

static void *with_a_cancel_pending(void *argument)
{
    void (*call)(void) = *(void (**)(void))argument;
    int state = -1;
    CHECK(pthread_cancel(pthread_self()) == 0);
    call();
    CHECK(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state) == 0 && state == PTHREAD_CANCEL_ENABLE);
    *(void (**)(void))argument = NULL; /* It has returned. */
    pthread_testcancel();
    return NULL;
}

static void *with_cancels_disabled(void *argument)
{
    void (*call)(void) = *(void (**)(void))argument;
    int state = -1;
    CHECK(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL) == 0);
    CHECK(pthread_cancel(pthread_self()) == 0);
    call();
    CHECK(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state) == 0 && state == PTHREAD_CANCEL_DISABLE);
    *(void (**)(void))argument = NULL;
    return NULL;
}

static void pending(void (*call)(void))
{
    pthread_t thread;
    void *end = NULL;
    CHECK(pthread_create(&thread, NULL, with_a_cancel_pending, &call) == 0);
    CHECK(pthread_join(thread, &end) == 0);
    CHECK(call == NULL && end == PTHREAD_CANCELED);
}

static void disabled(void (*call)(void))
{
    pthread_t thread;
    void *end = NULL;
    CHECK(pthread_create(&thread, NULL, with_cancels_disabled, &call) == 0);
    CHECK(pthread_join(thread, &end) == 0);
    CHECK(call == NULL && end == NULL);
}

static void hear(void *user, const char *record)
{
    (void)user;
    (void)record;
    atomic_store(&log_thread, pthread_self());
    pthread_testcancel();
}

static void configure(void)
{
    config = perceptis_config_new();
    MUST(perceptis_config_set(config, "app_name", "cancel", &failed));
    MUST(perceptis_config_set_log(config, hear, NULL, &failed));
}

static void make_client(void)
{
    MUST(perceptis_client_new(config, &client, &failed));
    perceptis_config_free(config);
}

static void ask(void)
{
    perceptis_error *error = NULL;
    char *text = NULL;
    CHECK(perceptis_get_status(client, "job_none", NULL, &text, &error) == PERCEPTIS_NOT_FOUND);
    CHECK(perceptis_error_code(error) == PERCEPTIS_NOT_FOUND && strlen(perceptis_error_message(error)) > 0);
    perceptis_error_free(error);
}

static void build(void)
{
    static const char png[] = "\x89PNG\r\n\x1a\nrest";
    char path[4096], *text = NULL;
    snprintf(path, sizeof path, "%s/image.png", directory);
    MUST(perceptis_request_new("single_slide", "Cancelled", &request, &failed));
    MUST(perceptis_request_set(request, "variant_count", "1", &failed));
    MUST(perceptis_request_set_json(request, "notes", "[1]", &failed));
    MUST(perceptis_request_add_image(request, png, sizeof png, "image/png", &failed));
    MUST(perceptis_request_add_image_file(request, path, &failed));
    MUST(perceptis_request_to_json(request, &text, &failed));
    perceptis_string_free(text);
    perceptis_request_free(request);
    const char *deck = "{\"output_type\":\"deck\",\"prompt\":\"Cancelled\"}";
    MUST(perceptis_request_from_json(deck, &request, &failed));
    MUST(perceptis_options_from_json("{\"overwrite\":true}", &options, &failed));
    perceptis_options_free(options);
    options = perceptis_options_new();
    MUST(perceptis_options_set(options, "directory", directory, &failed));
}

static void generate(void)
{
    char *text = NULL;
    MUST(perceptis_generate(client, request, NULL, &text, &failed));
    job_id = perceptis_json_get(text, "/job_id");
    perceptis_string_free(text);
}

static void finish(void)
{
    char *text = NULL;
    MUST(perceptis_wait(client, job_id, NULL, &text, &failed));
    perceptis_string_free(text);
    MUST(perceptis_download(client, job_id, options, &text, &failed));
    perceptis_string_free(text);
}

static void run(void)
{
    char *text = NULL;
    MUST(perceptis_options_set(options, "adopt", "off", &failed));
    MUST(perceptis_run(client, request, options, &text, &failed));
    perceptis_string_free(text);
}

static void look_into_the_ledger(void)
{
    char *text = NULL;
    MUST(perceptis_recover(client, NULL, &text, &failed));
    perceptis_string_free(text);
    MUST(perceptis_jobs(client, NULL, &text, &failed));
    perceptis_string_free(text);
    MUST(perceptis_client_activity(client, &text, &failed));
    perceptis_string_free(text);
    MUST(perceptis_forget(client, NULL, &failed));
}

static void ring(void *user)
{
    (void)user;
    atomic_store(&library_thread, pthread_self());
    pthread_testcancel();
    sem_post(&rung);
}

static void make_queue(void)
{
    MUST(perceptis_queue_new(&queue, &failed));
    MUST(perceptis_queue_set_wakeup(queue, ring, NULL, &failed));
    CHECK(perceptis_queue_fd(queue) >= 0);
}

static void take(void)
{
    perceptis_event *event = NULL;
    size_t taken = 0;
    MUST(perceptis_queue_take(queue, &event, 1, -1, &taken, &failed));
    CHECK(taken == 1 && strlen(perceptis_event_json(event)) == 0);
    CHECK(perceptis_error_code(perceptis_event_error(event)) == perceptis_event_code(event));
    perceptis_event_free(event);
}

static void use_queue(void)
{
    perceptis_event *event = NULL;
    size_t taken = 0;
    ask_async(client, queue, 1);
    take();
    MUST(perceptis_wait_async(client, "job_none_2", NULL, queue, 2, &failed));
    MUST(perceptis_queue_cancel(queue, 2, &failed));
    take();
    MUST(perceptis_queue_take(queue, &event, 1, 1, &taken, &failed));
    CHECK(taken == 0);
}

static void end(void)
{
    MUST(perceptis_queue_set_wakeup(queue, NULL, NULL, &failed));
    MUST(perceptis_queue_close(queue, &failed));
    perceptis_queue_free(queue);
    MUST(perceptis_client_close(client, 60000, &failed));
    perceptis_client_free(client);
    perceptis_request_free(request);
    perceptis_options_free(options);
    perceptis_string_free(job_id);
}

/* A client that is freed with its log, its lane and its thread in use. */
static void end_at_once(void)
{
    configure();
    make_client();
    ask();
    perceptis_client_free(client);
}

struct waiter {
    perceptis_queue *queue;
    atomic_int thread;
    perceptis_code code;
    size_t taken;
};

static void *wait_in_take(void *argument)
{
    struct waiter *waiter = argument;
    perceptis_event *event = NULL;
    atomic_store(&waiter->thread, (int)syscall(SYS_gettid));
    waiter->code = perceptis_queue_take(waiter->queue, &event, 1, -1, &waiter->taken, NULL);
    perceptis_event_free(event);
    pthread_testcancel();
    return NULL;
}

static void until_asleep(struct waiter *waiter)
{
    char path[64], state = 0;
    while (atomic_load(&waiter->thread) == 0) sched_yield();
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", atomic_load(&waiter->thread));
    while (state != 'S') {
        FILE *stat = fopen(path, "r");
        CHECK(stat != NULL && fscanf(stat, "%*d (%*[^)]) %c", &state) == 1);
        fclose(stat);
    }
}

/* A thread that waits is woken by an event and by close, and not by being cancelled: that takes effect
   afterwards. */
static void cancel_a_wait(int by_event)
{
    struct waiter waiter = {0};
    pthread_t thread;
    void *end = NULL;
    MUST(perceptis_queue_new(&waiter.queue, &failed));
    CHECK(pthread_create(&thread, NULL, wait_in_take, &waiter) == 0);
    until_asleep(&waiter);
    CHECK(pthread_cancel(thread) == 0);
    if (by_event) ask_async(client, waiter.queue, 1000);
    else MUST(perceptis_queue_close(waiter.queue, &failed));
    CHECK(pthread_join(thread, &end) == 0 && end == PTHREAD_CANCELED);
    CHECK(waiter.code == (by_event ? PERCEPTIS_OK : PERCEPTIS_CLOSED) && waiter.taken == (size_t)by_event);
    perceptis_queue_free(waiter.queue);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    directory = argv[1];
    CHECK(sem_init(&rung, 0, 0) == 0);
    void (*const all[])(void) = {configure, make_client,          ask,        build,    generate, finish,
                                 run,       look_into_the_ledger, make_queue, use_queue};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) pending(all[i]);
    disabled(ask);
    disabled(use_queue);
    cancel_a_wait(0);
    cancel_a_wait(1);
    /* Threads of the library's that callbacks have shown to the program. */
    while (sem_wait(&rung) != 0) {}
    pthread_t thread = atomic_load(&library_thread);
    CHECK(!pthread_equal(thread, pthread_self()) && pthread_cancel(thread) == 0);
    thread = atomic_load(&log_thread);
    CHECK(!pthread_equal(thread, pthread_self()) && pthread_cancel(thread) == 0);
    use_queue();
    pending(end);
    pending(end_at_once);
    return EXIT_SUCCESS;
}
