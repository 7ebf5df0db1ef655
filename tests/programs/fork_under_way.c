/* A program that forks while a call of it is under way, when its standard input says so.
   Usage: fork_under_way works|ends    the child makes a client and a call of its own, or ends at once
   Each line of its standard input takes it one step further: after "ready" the call begins, then it forks.
   It says "parent" and "child" once fork has returned there, and in the end the code and the result of the
   call. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include <string.h>
#include <sys/wait.h>

/* In one write: parent and child share the pipe. */
static void say(const char *line)
{
    CHECK(dprintf(STDOUT_FILENO, "%s\n", line) == (int)strlen(line) + 1);
}

static void next_step(void)
{
    char byte = 0;
    while (byte != '\n') CHECK(read(STDIN_FILENO, &byte, 1) == 1);
}

static perceptis_options *options_of(const char *key)
{
    perceptis_options *options = perceptis_options_new();
    MUST(perceptis_options_set(options, "idempotency_key", key, &failed));
    MUST(perceptis_options_set(options, "timeout_ms", "604800000", &failed));
    return options;
}

static void buy(perceptis_client *client, const perceptis_request *request, const char *key)
{
    perceptis_options *options = options_of(key);
    char *accepted = NULL;
    MUST(perceptis_generate(client, request, options, &accepted, &failed));
    perceptis_string_free(accepted);
    perceptis_options_free(options);
}

static void be_child(const char *how)
{
    perceptis_client *client = NULL;
    perceptis_request *request = NULL;
    alarm(300); /* Whatever hangs is killed, and the parent sees it. */
    say("child");
    if (strcmp(how, "works") == 0) {
        MUST(perceptis_client_new(NULL, &client, &failed));
        MUST(perceptis_request_new("deck", "Why teams adopt Rust", &request, &failed));
        buy(client, request, "child");
        MUST(perceptis_client_close(client, 60000, &failed));
    }
    _exit(EXIT_SUCCESS);
}

int main(int argc, char **argv)
{
    perceptis_client *client = NULL;
    perceptis_request *request = NULL;
    perceptis_queue *queue = NULL;
    perceptis_event *event = NULL;
    size_t taken = 0;
    CHECK(argc == 2);
    alarm(300);
    MUST(perceptis_client_new(NULL, &client, &failed));
    MUST(perceptis_request_new("deck", "Why teams adopt Rust", &request, &failed));
    MUST(perceptis_queue_new(&queue, &failed));
    buy(client, request, "before");
    say("ready");
    next_step();
    perceptis_options *options = options_of("parent");
    MUST(perceptis_generate_async(client, request, options, queue, 1, &failed));
    next_step();
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) be_child(argv[1]);
    say("parent");
    MUST(perceptis_queue_take(queue, &event, 1, -1, &taken, &failed));
    say(perceptis_code_name(perceptis_event_code(event)));
    say(perceptis_event_json(event));
    perceptis_event_free(event);
    if (strcmp(argv[1], "works") == 0) buy(client, request, "again");
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
    perceptis_client_close(client, 5000, NULL);
    perceptis_options_free(options);
    perceptis_request_free(request);
    perceptis_client_free(client);
    perceptis_queue_free(queue);
    return EXIT_SUCCESS;
}
