/* A deck is fetched, though the system has no thread left by the time at which its job is done.
   Usage: no_thread DIRECTORY */
#define _GNU_SOURCE
#include "check.h"
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

static atomic_int none_left;

/* In the place of the C library's: as where a container has as many threads as it may have. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*work)(void *), void *argument)
{
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    *(void **)&create = dlsym(RTLD_NEXT, "pthread_create");
    if (!none_left) return create(thread, attributes, work, argument);
    return EAGAIN;
}

/* Takes events until the call has ended, or waits for its job if that is asked for. */
static perceptis_code await(perceptis_queue *queue, int until_it_waits)
{
    for (;;) {
        perceptis_event *event = NULL;
        size_t taken = 0;
        MUST(perceptis_queue_take(queue, &event, 1, -1, &taken, &failed));
        perceptis_code code = perceptis_event_code(event);
        int ends = perceptis_event_kind(event) != PERCEPTIS_EVENT_PROGRESS;
        char *phase = ends ? NULL : perceptis_json_get(perceptis_event_json(event), "/phase");
        int waits = until_it_waits && phase && strcmp(phase, "waiting") == 0;
        if (ends && code != PERCEPTIS_OK)
            fprintf(stderr, "%s\n", perceptis_error_message(perceptis_event_error(event)));
        perceptis_string_free(phase);
        perceptis_event_free(event);
        if (ends || waits) return code;
    }
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    perceptis_client *client = NULL;
    perceptis_queue *queue = NULL;
    perceptis_request *request = NULL;
    perceptis_options *options = perceptis_options_new();
    MUST(perceptis_client_new(NULL, &client, &failed));
    MUST(perceptis_queue_new(&queue, &failed));
    /* More than ten quiet seconds at the sandbox's speed, after which idle threads have gone elsewhere. */
    MUST(perceptis_request_new("deck", "A deck [[sandbox: takes=260]]", &request, &failed));
    MUST(perceptis_options_set(options, "directory", argv[1], &failed));
    MUST(perceptis_options_set(options, "progress", "true", &failed));
    MUST(perceptis_run_async(client, request, options, queue, 1, &failed));
    CHECK(await(queue, 1) == PERCEPTIS_OK);
    none_left = 1;
    CHECK(await(queue, 0) == PERCEPTIS_OK);
    none_left = 0;
    perceptis_client_close(client, 10000, NULL);
    perceptis_options_free(options);
    perceptis_request_free(request);
    perceptis_queue_free(queue);
    perceptis_client_free(client);
    return EXIT_SUCCESS;
}
