/* The main thread ends and the process lives on, with the library's threads and perhaps one of its own.
   Usage: main_ends alone|kept */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include <string.h>

static void *take_signals(void *unused)
{
    (void)unused;
    for (;;) pause();
    return NULL;
}

int main(int argc, char **argv)
{
    perceptis_client *client = NULL;
    pthread_t thread;
    char *status = NULL;
    CHECK(argc == 2);
    MUST(perceptis_client_new(NULL, &client, &failed));
    CHECK(perceptis_get_status(client, "job_none", NULL, &status, NULL) == PERCEPTIS_NOT_FOUND);
    if (strcmp(argv[1], "kept") == 0) CHECK(pthread_create(&thread, NULL, take_signals, NULL) == 0);
    puts("ready");
    fflush(stdout);
    pthread_exit(NULL);
}
