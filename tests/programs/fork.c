/* After a fork the child's client answers FORKED and frees without harm, and a new one works; the parent
   notices nothing. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include <sys/wait.h>
#include <unistd.h>

static perceptis_code ask(perceptis_client *client)
{
    char *status = NULL;
    perceptis_code code = perceptis_get_status(client, "job_none", NULL, &status, NULL);
    perceptis_string_free(status);
    return code;
}

int main(void)
{
    perceptis_client *client = NULL;
    CHECK(perceptis_client_new(NULL, &client, NULL) == PERCEPTIS_OK);
    CHECK(ask(client) == PERCEPTIS_NOT_FOUND);
    for (int round = 0; round < 20; round++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            char *activity = NULL;
            perceptis_client *new = NULL;
            CHECK(ask(client) == PERCEPTIS_FORKED);
            CHECK(perceptis_client_activity(client, &activity, NULL) == PERCEPTIS_FORKED);
            CHECK(perceptis_client_close(client, 1000, NULL) == PERCEPTIS_FORKED);
            perceptis_client_free(client);
            CHECK(perceptis_client_new(NULL, &new, NULL) == PERCEPTIS_OK);
            CHECK(ask(new) == PERCEPTIS_NOT_FOUND);
            perceptis_client_free(new);
            exit(EXIT_SUCCESS);
        }
        int status = 0;
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    CHECK(ask(client) == PERCEPTIS_NOT_FOUND);
    perceptis_client_free(client);
    return EXIT_SUCCESS;
}
