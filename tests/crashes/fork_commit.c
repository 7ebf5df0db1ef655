/* A forked child's commit is one: the parent has used the ledger, with its client closed or not; the child
   makes a client of its own, buys something and is killed at once.
   Usage: fork_commit closed|open */
#define _POSIX_C_SOURCE 200809L
#include "../programs/check.h"
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

static void buy(perceptis_client *client, const char *key)
{
    perceptis_request *request = NULL;
    perceptis_options *options = perceptis_options_new();
    char *accepted = NULL;
    MUST(perceptis_request_new("deck", "A deck [[sandbox: takes=1]]", &request, &failed));
    MUST(perceptis_options_set(options, "idempotency_key", key, &failed));
    MUST(perceptis_options_set(options, "timeout_ms", "604800000", &failed));
    MUST(perceptis_generate(client, request, options, &accepted, &failed));
    perceptis_string_free(accepted);
    perceptis_options_free(options);
    perceptis_request_free(request);
}

int main(int argc, char **argv)
{
    perceptis_client *client = NULL;
    CHECK(argc == 2);
    MUST(perceptis_client_new(NULL, &client, &failed));
    buy(client, "of-the-parent");
    if (strcmp(argv[1], "closed") == 0) {
        MUST(perceptis_client_close(client, 60000, &failed));
        perceptis_client_free(client);
        client = NULL;
    }
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        perceptis_client *own = NULL;
        alarm(60); /* Whatever hangs is killed, and the parent sees it. */
        MUST(perceptis_client_new(NULL, &own, &failed));
        buy(own, "of-the-child");
        kill(getpid(), SIGKILL);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    if (client != NULL) {
        buy(client, "of-the-parent-again");
        perceptis_client_free(client);
    }
    return EXIT_SUCCESS;
}
