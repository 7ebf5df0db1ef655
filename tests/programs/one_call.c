/* One call of a process of its own, in the conditions that its arguments name. What it needs of them is
   loaded before it becomes another user.
   Usage: one_call [uid=N] [umask=OCTAL] [descriptors=N] COMMAND [OPTION=VALUE]...
     run             a deck
     generate        a deck that is not waited for
     download=JOB    the files of a job
     recover
     hold            a deck that is waited for until standard input ends; says "held" once the job is
     fork, spawn     the same, and then there is a child, or another program, which lives until standard input
                     ends there
   Prints four lines: code, message, details, result. */
#define _GNU_SOURCE
#include "check.h"
#include <grp.h>
#include <spawn.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

static int option(perceptis_options *options, const char *text, perceptis_error **error)
{
    char key[64];
    const char *value = strchr(text, '=');
    CHECK(value != NULL && (size_t)(value - text) < sizeof key);
    memcpy(key, text, (size_t)(value - text));
    key[value - text] = 0;
    return perceptis_options_set(options, key, value + 1, error);
}

static void become(unsigned user)
{
    CHECK(setgroups(0, NULL) == 0);
    CHECK(setresgid(user, user, user) == 0 && setresuid(user, user, user) == 0);
}

/* Until the other end closes it. */
static void await_end(void)
{
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0) {}
}

/* No handler of a fork runs for this one. */
static void spawn(void)
{
    pid_t child;
    char *arguments[] = {"cat", NULL};
    CHECK(posix_spawnp(&child, "cat", NULL, NULL, arguments, environ) == 0);
    printf("held\n");
}

static void hold(perceptis_client *client, perceptis_request *request, perceptis_options *options, char how)
{
    perceptis_queue *queue = NULL;
    perceptis_event *event = NULL;
    size_t taken = 0;
    int is_waiting = 0;
    MUST(perceptis_options_set(options, "progress", "true", &failed));
    MUST(perceptis_queue_new(&queue, &failed));
    MUST(perceptis_run_async(client, request, options, queue, 1, &failed));
    while (!is_waiting) {
        MUST(perceptis_queue_take(queue, &event, 1, -1, &taken, &failed));
        if (perceptis_event_kind(event) != PERCEPTIS_EVENT_PROGRESS) {
            printf("%s: %s\n", perceptis_code_name(perceptis_event_code(event)), perceptis_event_json(event));
            exit(EXIT_FAILURE);
        }
        char *phase = perceptis_json_get(perceptis_event_json(event), "/phase");
        is_waiting = phase != NULL && strcmp(phase, "waiting") == 0;
        perceptis_string_free(phase);
        perceptis_event_free(event);
    }
    if (how == 's') {
        spawn();
    } else if (how == 'f') {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            printf("held\n");
            fflush(stdout);
            await_end();
            _exit(EXIT_SUCCESS);
        }
    } else {
        printf("held\n");
    }
    fflush(stdout);
    await_end();
    perceptis_client_close(client, 10000, NULL);
    perceptis_client_free(client);
    _exit(EXIT_SUCCESS);
}

int main(int argc, char **argv)
{
    perceptis_error *error = NULL;
    perceptis_client *client = NULL;
    perceptis_request *request = NULL;
    perceptis_options *options = perceptis_options_new();
    char *result = NULL;
    const char *command = "", *job = "";
    unsigned user = 0;

    for (int at = 1; at < argc; at++) {
        unsigned number = 0;
        if (sscanf(argv[at], "uid=%u", &user) == 1) continue;
        if (sscanf(argv[at], "umask=%o", &number) == 1) umask(number);
        else if (sscanf(argv[at], "descriptors=%u", &number) == 1)
            CHECK(setrlimit(RLIMIT_NOFILE, &(struct rlimit){number, number}) == 0);
        else if (strncmp(argv[at], "download=", 9) == 0) command = "download", job = argv[at] + 9;
        else if (strchr(argv[at], '=') == NULL) command = argv[at];
        else MUST(option(options, argv[at], &failed));
    }
    if (user != 0) become(user);
    MUST(perceptis_client_new(NULL, &client, &failed));
    MUST(perceptis_request_new("deck", "Why teams adopt Rust", &request, &failed));

    perceptis_code code = PERCEPTIS_INVALID_ARGUMENT;
    if (strcmp(command, "run") == 0) code = perceptis_run(client, request, options, &result, &error);
    else if (strcmp(command, "generate") == 0)
        code = perceptis_generate(client, request, options, &result, &error);
    else if (strcmp(command, "download") == 0)
        code = perceptis_download(client, job, options, &result, &error);
    else if (strcmp(command, "recover") == 0) code = perceptis_recover(client, options, &result, &error);
    else if (strcmp(command, "hold") == 0) hold(client, request, options, 'h');
    else if (strcmp(command, "fork") == 0) hold(client, request, options, 'f');
    else if (strcmp(command, "spawn") == 0) hold(client, request, options, 's');
    printf("%s\n%s\n%s\n%s\n", perceptis_code_name(code), perceptis_error_message(error),
           perceptis_error_details(error), result != NULL ? result : "null");
    perceptis_string_free(result);
    perceptis_error_free(error);
    perceptis_request_free(request);
    perceptis_options_free(options);
    perceptis_client_free(client);
    return EXIT_SUCCESS;
}
