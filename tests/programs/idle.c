/* A client costs nothing until it is used: no thread, no descriptor; its first operation brings them, and its
   end takes them away. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include <dirent.h>
#include <time.h>

static int entries(const char *path)
{
    int count = 0;
    DIR *directory = opendir(path);
    CHECK(directory != NULL);
    while (readdir(directory) != NULL) count++;
    closedir(directory);
    return count;
}

static void live(int threads, int descriptors)
{
    perceptis_client *client = NULL;
    char *status = NULL;

    CHECK(perceptis_client_new(NULL, &client, NULL) == PERCEPTIS_OK);
    CHECK(entries("/proc/self/task") == threads);
    CHECK(entries("/proc/self/fd") == descriptors);

    CHECK(perceptis_get_status(client, "job_none", NULL, &status, NULL) == PERCEPTIS_NOT_FOUND);
    CHECK(entries("/proc/self/task") == threads + 1);
    CHECK(entries("/proc/self/fd") > descriptors);

    CHECK(perceptis_client_close(client, 10000, NULL) == PERCEPTIS_OK);
    perceptis_client_free(client);
    /* A thread that has been joined may be listed for a moment longer. */
    time_t until = time(NULL) + 20;
    while (entries("/proc/self/task") != threads) CHECK(time(NULL) < until);
}

int main(void)
{
    live(entries("/proc/self/task"), entries("/proc/self/fd"));
    /* What the first client may have left is the process's; no later one leaves anything. */
    int descriptors = entries("/proc/self/fd");
    for (int round = 0; round < 5; round++) {
        live(entries("/proc/self/task"), descriptors);
        CHECK(entries("/proc/self/fd") == descriptors);
    }
    return EXIT_SUCCESS;
}
