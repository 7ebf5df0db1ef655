/* Where the descriptors for directories run out, a call waits for one: until its deadline, or until another
   call that has one is over.
   Usage: starved DIRECTORY    in it are the directories 0 to 8 */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include <string.h>
#include <sys/resource.h>

/* Of so many descriptors a quarter is for directories. */
enum { DESCRIPTORS = 32, DIRECTORIES = 8 };

static perceptis_client *client;
static perceptis_queue *queue;

static void start(const char *base, unsigned directory, uint64_t tag, const char *timeout)
{
    perceptis_request *request = NULL;
    perceptis_options *options = perceptis_options_new();
    char text[4096];
    snprintf(text, sizeof text, "Deck %u", (unsigned)tag);
    MUST(perceptis_request_new("deck", text, &request, &failed));
    snprintf(text, sizeof text, "%s/%u", base, directory);
    MUST(perceptis_options_set(options, "directory", text, &failed));
    MUST(perceptis_options_set(options, "name", "deck", &failed));
    MUST(perceptis_options_set(options, "progress", "true", &failed));
    MUST(perceptis_options_set(options, "timeout_ms", timeout, &failed));
    MUST(perceptis_run_async(client, request, options, queue, tag, &failed));
    perceptis_options_free(options);
    perceptis_request_free(request);
}

/* Takes events until this call waits for its job (PERCEPTIS_OK), or has ended with a code. */
static perceptis_code await(uint64_t tag)
{
    for (;;) {
        perceptis_event *event = NULL;
        size_t taken = 0;
        perceptis_code code = PERCEPTIS_OK;
        MUST(perceptis_queue_take(queue, &event, 1, -1, &taken, &failed));
        int is_it = perceptis_event_tag(event) == tag,
            ends = perceptis_event_kind(event) != PERCEPTIS_EVENT_PROGRESS;
        if (ends) {
            code = perceptis_event_code(event);
            char *billed = perceptis_json_get(perceptis_error_details(perceptis_event_error(event)),
                                              "/billed");
            CHECK(code != PERCEPTIS_TIMEOUT || strcmp(billed, "no") == 0);
            perceptis_string_free(billed);
        } else {
            char *phase = perceptis_json_get(perceptis_event_json(event), "/phase");
            is_it = is_it && strcmp(phase, "waiting") == 0;
            perceptis_string_free(phase);
        }
        perceptis_event_free(event);
        if (is_it) return code;
    }
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    CHECK(setrlimit(RLIMIT_NOFILE, &(struct rlimit){DESCRIPTORS, DESCRIPTORS}) == 0);
    MUST(perceptis_client_new(NULL, &client, &failed));
    MUST(perceptis_queue_new(&queue, &failed));
    for (unsigned at = 0; at < DIRECTORIES; at++) {
        start(argv[1], at, at, "604800000");
        CHECK(await(at) == PERCEPTIS_OK);
    }
    start(argv[1], DIRECTORIES, 100, "20000");
    CHECK(await(100) == PERCEPTIS_TIMEOUT);
    /* One that is open takes no more. */
    perceptis_queue_cancel(queue, 7, NULL);
    CHECK(await(7) == PERCEPTIS_CANCELLED);
    start(argv[1], DIRECTORIES, 101, "604800000");
    CHECK(await(101) == PERCEPTIS_OK);
    start(argv[1], 7, 102, "604800000");
    perceptis_queue_cancel(queue, 3, NULL);
    CHECK(await(102) == PERCEPTIS_OK);
    perceptis_client_close(client, 10000, NULL);
    perceptis_queue_free(queue);
    perceptis_client_free(client);
    return EXIT_SUCCESS;
}
