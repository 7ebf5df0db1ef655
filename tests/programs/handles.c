/* Handles that are used or freed once more after they were freed. Run under valgrind: what the library reads
   of them is memory that is there. With the argument "fork" also in a child, where what the parent's threads
   held is lost. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include <string.h>
#include <sys/wait.h>

/* A call that is refused with this message. `error` is the place for its error. */
#define REFUSED(call, says)                                       \
    do {                                                          \
        perceptis_error *error = NULL;                            \
        CHECK((call) == PERCEPTIS_INVALID_ARGUMENT);              \
        CHECK(strcmp(perceptis_error_message(error), says) == 0); \
        perceptis_error_free(error);                              \
    } while (0)

static void use_freed(perceptis_client *client, perceptis_queue *queue, perceptis_request *request)
{
    perceptis_event *event = NULL;
    char *text = NULL;
    size_t taken = 0;
    REFUSED(perceptis_get_status(client, "job_none", NULL, &text, &error), "argument client has been freed");
    REFUSED(perceptis_client_close(client, 0, &error), "argument client has been freed");
    REFUSED(perceptis_queue_take(queue, &event, 1, -1, &taken, &error), "argument queue has been freed");
    REFUSED(perceptis_request_to_json(request, &text, &error), "argument request has been freed");
    CHECK(perceptis_queue_fd(queue) == -1);
    perceptis_request_free(request);
    perceptis_queue_free(queue);
    perceptis_client_free(client);
}

int main(int argc, char **argv)
{
    (void)argv;
    perceptis_client *client = NULL, *live = NULL;
    perceptis_queue *queue = NULL;
    perceptis_request *request = NULL;
    MUST(perceptis_client_new(NULL, &live, &failed));
    MUST(perceptis_client_new(NULL, &client, &failed));
    MUST(perceptis_queue_new(&queue, &failed));
    MUST(perceptis_request_new("deck", "Handles", &request, &failed));
    REFUSED(perceptis_client_close((perceptis_client *)request, 0, &error),
            "argument client is a request; accepted is a client");
    ask_async(client, queue, 1);
    perceptis_request_free(request);
    perceptis_client_free(client);
    perceptis_queue_free(queue);
    use_freed(client, queue, request);

    /* In a fork's child a freed one is freed, and only a live one belongs to the parent. */
    if (argc == 2) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            use_freed(client, queue, request);
            CHECK(perceptis_client_close(live, 0, NULL) == PERCEPTIS_FORKED);
            perceptis_client_free(live);
            REFUSED(perceptis_client_close(live, 0, &error), "argument client has been freed");
            _exit(EXIT_SUCCESS);
        }
        int status = 0;
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
    }
    MUST(perceptis_client_close(live, 1000, &failed));
    perceptis_client_free(live);
    return EXIT_SUCCESS;
}
