/* One prompt in, one deck on disk, with a line that shows the state meanwhile.
   Usage: deck PROMPT [DIRECTORY]

   The call ends in a queue. Between its events the program asks the client what it is doing, which costs
   nothing and sends nothing. */
#define _POSIX_C_SOURCE 200809L
#include <perceptis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The job's state where it is known, what the call is doing otherwise. */
static char *state_of(const char *activity, char **job_id, long *seconds)
{
    char *status = perceptis_json_get(activity, "/operations/0/status");
    char *phase = perceptis_json_get(activity, "/operations/0/phase");
    char *elapsed = perceptis_json_get(activity, "/operations/0/elapsed_ms");
    *job_id = perceptis_json_get(activity, "/operations/0/job_id");
    *seconds = elapsed != NULL ? strtol(elapsed, NULL, 10) / 1000 : 0;
    perceptis_string_free(elapsed);
    int waiting = phase != NULL && strcmp(phase, "waiting") == 0;
    if (waiting && status != NULL && strcmp(status, "null") != 0) {
        perceptis_string_free(phase);
        return status;
    }
    perceptis_string_free(status);
    return phase;
}

static void show(perceptis_client *client, char *shown, size_t size)
{
    char *activity = NULL, *job_id = NULL, *state = NULL;
    long seconds = 0;
    if (perceptis_client_activity(client, &activity, NULL) == PERCEPTIS_OK) {
        state = state_of(activity, &job_id, &seconds);
        if (state != NULL) {
            char text[256];
            const char *name = job_id != NULL && strcmp(job_id, "null") != 0 ? job_id : "";
            snprintf(text, sizeof text, "%s %s", state, name);
            if (isatty(STDERR_FILENO)) {
                fprintf(stderr, "\r\033[K%s %ld:%02ld", text, seconds / 60, seconds % 60);
            } else if (strcmp(text, shown) != 0) {
                fprintf(stderr, "%s %ld:%02ld\n", text, seconds / 60, seconds % 60);
            }
            snprintf(shown, size, "%s", text);
        }
    }
    perceptis_string_free(state);
    perceptis_string_free(job_id);
    perceptis_string_free(activity);
}

int main(int argc, char **argv)
{
    perceptis_client *client = NULL;
    perceptis_request *request = NULL;
    perceptis_options *options = NULL;
    perceptis_queue *queue = NULL;
    perceptis_event *event = NULL;
    perceptis_error *error = NULL;
    const perceptis_error *failed = NULL;
    char shown[256] = "";
    size_t taken = 0;
    int status = EXIT_FAILURE;

    if (argc < 2) {
        fprintf(stderr, "usage: %s PROMPT [DIRECTORY]\n", argv[0]);
        return EXIT_FAILURE;
    }
    options = perceptis_options_new();
    if (perceptis_client_new(NULL, &client, &error) != PERCEPTIS_OK) goto done;
    if (perceptis_queue_new(&queue, &error) != PERCEPTIS_OK) goto done;
    if (perceptis_request_new("deck", argv[1], &request, &error) != PERCEPTIS_OK) goto done;
    if (perceptis_options_set(options, "directory", argc > 2 ? argv[2] : ".", &error) != PERCEPTIS_OK)
        goto done;
    if (perceptis_run_async(client, request, options, queue, 1, &error) != PERCEPTIS_OK) goto done;
    while (taken == 0) {
        if (perceptis_queue_take(queue, &event, 1, 200, &taken, &error) != PERCEPTIS_OK) goto done;
        if (taken == 0) show(client, shown, sizeof shown);
    }
    if (isatty(STDERR_FILENO)) fprintf(stderr, "\r\033[K");

    failed = perceptis_event_error(event);
    if (failed == NULL) {
        char *path = perceptis_json_get(perceptis_event_json(event), "/files/0/path");
        puts(path != NULL ? path : "");
        perceptis_string_free(path);
        status = EXIT_SUCCESS;
    }

done:
    if (error != NULL) failed = error;
    if (failed != NULL) {
        fprintf(stderr, "%s: %s\n", perceptis_code_name(perceptis_error_code(failed)),
                perceptis_error_message(failed));
        fprintf(stderr, "%s\n", perceptis_error_details(failed));
    }
    perceptis_event_free(event);
    perceptis_options_free(options);
    perceptis_request_free(request);
    perceptis_queue_free(queue);
    perceptis_client_free(client);
    perceptis_error_free(error);
    return status;
}
