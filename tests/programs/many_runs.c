/* So many runs at once with few descriptors, in one directory or each in its own; all of them come.
   Usage: many_runs COUNT DESCRIPTORS one|each DIRECTORY */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include <string.h>
#include <sys/resource.h>

enum { AT_ONCE = 64 };

int main(int argc, char **argv)
{
    CHECK(argc == 5);
    unsigned count = (unsigned)atoi(argv[1]), came = 0, failures = 0;
    struct rlimit limit = {(rlim_t)atoi(argv[2]), (rlim_t)atoi(argv[2])};
    int is_one = strcmp(argv[3], "one") == 0;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);

    perceptis_client *client = NULL;
    perceptis_queue *queue = NULL;
    MUST(perceptis_client_new(NULL, &client, &failed));
    MUST(perceptis_queue_new(&queue, &failed));
    for (unsigned at = 0; at < count; at++) {
        perceptis_request *request = NULL;
        perceptis_options *options = perceptis_options_new();
        char text[4096];
        snprintf(text, sizeof text, "Deck %u", at);
        MUST(perceptis_request_new("deck", text, &request, &failed));
        snprintf(text, sizeof text, "deck-%u", at);
        MUST(perceptis_options_set(options, "name", text, &failed));
        if (is_one) snprintf(text, sizeof text, "%s", argv[4]);
        else snprintf(text, sizeof text, "%s/%u", argv[4], at);
        MUST(perceptis_options_set(options, "directory", text, &failed));
        /* A week: at the clients' speed some hours. */
        MUST(perceptis_options_set(options, "timeout_ms", "604800000", &failed));
        MUST(perceptis_run_async(client, request, options, queue, at, &failed));
        perceptis_options_free(options);
        perceptis_request_free(request);
    }
    while (came < count) {
        perceptis_event *events[AT_ONCE];
        size_t taken = 0;
        MUST(perceptis_queue_take(queue, events, AT_ONCE, -1, &taken, &failed));
        for (size_t at = 0; at < taken; at++) {
            if (perceptis_event_code(events[at]) != PERCEPTIS_OK && failures++ < 3)
                fprintf(stderr, "run %lu: %s\n", (unsigned long)perceptis_event_tag(events[at]),
                        perceptis_error_message(perceptis_event_error(events[at])));
            perceptis_event_free(events[at]);
        }
        came += (unsigned)taken;
    }
    perceptis_queue_free(queue);
    perceptis_client_free(client);
    if (failures > 0) fprintf(stderr, "%u of %u runs failed\n", failures, count);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
