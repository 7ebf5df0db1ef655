/* One prompt in, one deck on disk, with a line that shows the state meanwhile.
   Usage: deck PROMPT [DIRECTORY]

   The call blocks, so it has a thread of its own; the main thread asks the client what it is doing, which
   costs nothing and sends nothing. */
#define _POSIX_C_SOURCE 200809L
#include <perceptis.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct job {
    perceptis_client *client;
    perceptis_request *request;
    perceptis_options *options;
    char *result;
    perceptis_error *error;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    int done;
};

static void *run(void *argument)
{
    struct job *job = argument;
    perceptis_run(job->client, job->request, job->options, &job->result, &job->error);
    pthread_mutex_lock(&job->lock);
    job->done = 1;
    pthread_cond_signal(&job->ended);
    pthread_mutex_unlock(&job->lock);
    return NULL;
}

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
    struct job job = {.lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER};
    pthread_t thread;
    char shown[256] = "";
    int status = EXIT_FAILURE;

    if (argc < 2) {
        fprintf(stderr, "usage: %s PROMPT [DIRECTORY]\n", argv[0]);
        return EXIT_FAILURE;
    }
    job.options = perceptis_options_new();
    if (perceptis_client_new(NULL, &job.client, &job.error) != PERCEPTIS_OK) goto done;
    if (perceptis_request_new("deck", argv[1], &job.request, &job.error) != PERCEPTIS_OK) goto done;
    if (perceptis_options_set(job.options, "directory", argc > 2 ? argv[2] : ".", &job.error) != PERCEPTIS_OK) goto done;
    if (pthread_create(&thread, NULL, run, &job) != 0) {
        fprintf(stderr, "no thread could be started\n");
        goto done;
    }

    pthread_mutex_lock(&job.lock);
    while (!job.done) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 200 * 1000 * 1000;
        if (until.tv_nsec >= 1000 * 1000 * 1000) {
            until.tv_nsec -= 1000 * 1000 * 1000;
            until.tv_sec++;
        }
        pthread_cond_timedwait(&job.ended, &job.lock, &until);
        show(job.client, shown, sizeof shown);
    }
    pthread_mutex_unlock(&job.lock);
    pthread_join(thread, NULL);
    if (isatty(STDERR_FILENO)) fprintf(stderr, "\r\033[K");

    if (job.error == NULL) {
        char *path = perceptis_json_get(job.result, "/files/0/path");
        puts(path != NULL ? path : "");
        perceptis_string_free(path);
        status = EXIT_SUCCESS;
    }

done:
    if (job.error != NULL) {
        fprintf(stderr, "%s: %s\n", perceptis_code_name(perceptis_error_code(job.error)), perceptis_error_message(job.error));
        fprintf(stderr, "%s\n", perceptis_error_details(job.error));
    }
    perceptis_string_free(job.result);
    perceptis_options_free(job.options);
    perceptis_request_free(job.request);
    perceptis_client_free(job.client);
    perceptis_error_free(job.error);
    return status;
}
