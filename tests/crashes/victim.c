/* One line of a user's, which is killed and started again.
   Usage: victim run KIND DIRECTORY NAME KEY    KIND "deck" or the number of variants; NAME, KEY "-": none
          victim recover
          victim jobs
   Prints what came of it, and what the ledger says then. */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <perceptis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Until the library's threads have ended: what they do last is a part of the run. On a full disk they do not
   end, since they try again for as long as the process lives. */
static void let_them_end(void)
{
    if (getenv("VICTIM_DISK_IS_FULL") != NULL) return;
    for (int look = 0; look < 30000; look++) {
        int threads = -2; /* without . and .. */
        DIR *tasks = opendir("/proc/self/task");
        if (tasks == NULL) return;
        while (readdir(tasks) != NULL) threads++;
        closedir(tasks);
        if (threads <= 1) return;
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    fprintf(stderr, "the library's threads do not end\n");
    exit(3);
}

static perceptis_code run(perceptis_client *client, char **arguments, char **result, perceptis_error **error)
{
    perceptis_request *request = NULL;
    perceptis_options *options = perceptis_options_new();
    const char *kind = arguments[0], *name = arguments[2], *key = arguments[3];
    char prompt[256];
    int deck = strcmp(kind, "deck") == 0;
    /* Other names and keys are other requests. */
    snprintf(prompt, sizeof prompt, "Why teams adopt Rust, for %s%s [[sandbox: takes=1]]", name, key);

    perceptis_code code = perceptis_request_new(deck ? "deck" : "single_slide", prompt, &request, error);
    if (code == PERCEPTIS_OK && !deck) code = perceptis_request_set(request, "variant_count", kind, error);
    if (code == PERCEPTIS_OK) code = perceptis_options_set(options, "directory", arguments[1], error);
    /* A week: at the clients' speed some minutes. */
    if (code == PERCEPTIS_OK) code = perceptis_options_set(options, "timeout_ms", "604800000", error);
    if (code == PERCEPTIS_OK && strcmp(name, "-") != 0)
        code = perceptis_options_set(options, "name", name, error);
    if (code == PERCEPTIS_OK && strcmp(key, "-") != 0)
        code = perceptis_options_set(options, "idempotency_key", key, error);
    if (code == PERCEPTIS_OK && getenv("VICTIM_OVERWRITE") != NULL)
        code = perceptis_options_set(options, "overwrite", "true", error);
    if (code == PERCEPTIS_OK) code = perceptis_run(client, request, options, result, error);
    perceptis_request_free(request);
    perceptis_options_free(options);
    return code;
}

static perceptis_code recover(perceptis_client *client, char **result, perceptis_error **error)
{
    perceptis_options *options = perceptis_options_new();
    perceptis_code code = perceptis_options_set(options, "timeout_ms", "604800000", error);
    if (code == PERCEPTIS_OK) code = perceptis_recover(client, options, result, error);
    perceptis_options_free(options);
    return code;
}

int main(int argc, char **argv)
{
    perceptis_error *error = NULL;
    perceptis_client *client = NULL;
    perceptis_options *options = NULL;
    char *result = NULL, *jobs = NULL;

    perceptis_code code = perceptis_client_new(NULL, &client, &error);
    if (code == PERCEPTIS_OK) {
        if (argc == 6 && strcmp(argv[1], "run") == 0) code = run(client, argv + 2, &result, &error);
        else if (argc == 2 && strcmp(argv[1], "recover") == 0) code = recover(client, &result, &error);
    }
    /* How the line ends is not what the ledger says after it: a disk can be full by then. */
    int status = code == PERCEPTIS_OK ? EXIT_SUCCESS : EXIT_FAILURE;
    if (code == PERCEPTIS_OK) {
        printf("%s\n", result != NULL ? result : "null");
        options = perceptis_options_new();
        code = perceptis_options_set(options, "history", "true", &error);
        if (code == PERCEPTIS_OK) code = perceptis_jobs(client, options, &jobs, &error);
        printf("%s\n", jobs != NULL ? jobs : "null");
    }
    if (error != NULL)
        fprintf(stderr, "%s: %s\n%s\n", perceptis_code_name(code), perceptis_error_message(error),
                perceptis_error_details(error));
    perceptis_string_free(result);
    perceptis_string_free(jobs);
    perceptis_options_free(options);
    perceptis_client_free(client);
    perceptis_error_free(error);
    let_them_end();
    return status;
}
