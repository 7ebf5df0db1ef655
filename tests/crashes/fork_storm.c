/* Forks while the parent's runs are in flight and its ledger is being written. Every second child buys
   something with a client of its own and is killed at once; the others just end. The parent notices nothing:
   all its runs end well.
   Usage: fork_storm DIRECTORY RUNS FORKS */
#define _POSIX_C_SOURCE 200809L
#include "../programs/check.h"
#include <signal.h>
#include <sys/wait.h>

static perceptis_request *request_for(const char *what, unsigned long number)
{
    perceptis_request *request = NULL;
    char prompt[80];
    snprintf(prompt, sizeof prompt, "%s %lu [[sandbox: takes=1]]", what, number);
    MUST(perceptis_request_new("single_slide", prompt, &request, &failed));
    return request;
}

static void start(perceptis_client *client, perceptis_queue *queue, const char *directory,
                  unsigned long number)
{
    perceptis_request *request = request_for("Slide", number);
    perceptis_options *options = perceptis_options_new();
    char name[32];
    snprintf(name, sizeof name, "slide-%lu", number);
    MUST(perceptis_options_set(options, "directory", directory, &failed));
    MUST(perceptis_options_set(options, "name", name, &failed));
    MUST(perceptis_options_set(options, "timeout_ms", "604800000", &failed));
    MUST(perceptis_run_async(client, request, options, queue, number, &failed));
    perceptis_options_free(options);
    perceptis_request_free(request);
}

static void child(unsigned long number)
{
    alarm(60); /* Whatever hangs is killed, and the parent sees it. */
    if (number % 2 == 0) {
        perceptis_client *own = NULL;
        char *accepted = NULL;
        perceptis_request *request = request_for("Child", number);
        perceptis_options *options = perceptis_options_new();
        MUST(perceptis_options_set(options, "timeout_ms", "604800000", &failed));
        MUST(perceptis_client_new(NULL, &own, &failed));
        MUST(perceptis_generate(own, request, options, &accepted, &failed));
        kill(getpid(), SIGKILL);
    }
    _exit(EXIT_SUCCESS);
}

int main(int argc, char **argv)
{
    perceptis_client *client = NULL;
    perceptis_queue *queue = NULL;
    CHECK(argc == 4);
    unsigned long runs = strtoul(argv[2], NULL, 10), forks = strtoul(argv[3], NULL, 10), started = 0,
                  ended = 0;
    MUST(perceptis_client_new(NULL, &client, &failed));
    MUST(perceptis_queue_new(&queue, &failed));

    for (unsigned long number = 0; number < forks; number++) {
        /* So that there are always some that begin and some that end. */
        while (started < runs && started * forks <= (number + 1) * runs)
            start(client, queue, argv[1], started++);
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) child(number);
    }
    while (started < runs) start(client, queue, argv[1], started++);
    for (unsigned long number = 0; number < forks; number++) {
        int status = 0;
        CHECK(wait(&status) > 0);
        CHECK(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0);
    }
    while (ended < runs) {
        perceptis_event *events[16];
        size_t taken = 0;
        MUST(perceptis_queue_take(queue, events, 16, -1, &taken, &failed));
        for (size_t i = 0; i < taken; i++) {
            if (perceptis_event_code(events[i]) != PERCEPTIS_OK)
                fprintf(stderr, "%s\n", perceptis_error_message(perceptis_event_error(events[i])));
            CHECK(perceptis_event_code(events[i]) == PERCEPTIS_OK);
            ended++;
            perceptis_event_free(events[i]);
        }
    }
    perceptis_queue_free(queue);
    perceptis_client_free(client);
    return EXIT_SUCCESS;
}
