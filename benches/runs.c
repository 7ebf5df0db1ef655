/* Many runs at once, all on one queue: what they take while they are submitted and while their jobs are
   waited for. Memory over the process before its first call (client and queue made) and over the one with a
   single run, whose difference is the ledger, the threads and the library's own pages; threads; and TCP
   connections. Every run holds its file's name as well, with a descriptor that is no connection.
   Usage: runs JOBS DIRECTORY [SECONDS]: they are waited for so many seconds after the last was accepted
   [10]. */
#define _GNU_SOURCE
#include "runs.h"
#include <dirent.h>
#include <sys/socket.h>
#include <unistd.h>

/* A number of the kernel's about this process. */
static long status(const char *name)
{
    char line[256];
    long value = 0;
    size_t length = strlen(name);
    FILE *file = fopen("/proc/self/status", "r");
    NEED(file != NULL);
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, length) == 0 && line[length] == ':')
            value = strtol(line + length + 1, NULL, 10);
    fclose(file);
    return value;
}

/* Descriptors that are the end of a TCP connection. */
static int connections(void)
{
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    NEED(directory != NULL);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        struct sockaddr_storage peer = {0};
        socklen_t size = sizeof peer;
        if (getpeername(atoi(entry->d_name), (struct sockaddr *)&peer, &size) == 0
            && (peer.ss_family == AF_INET || peer.ss_family == AF_INET6))
            count++;
    }
    closedir(directory);
    return count;
}

/* How many jobs the sandbox has. Its connection is gone when this returns. */
static long submitted(void)
{
    static struct body body;
    char url[256];
    body.size = 0;
    CURL *easy = new_easy(NULL, &body);
    snprintf(url, sizeof url, "%s/_sandbox/namespaces", getenv("PERCEPTIS_API_BASE_URL"));
    curl_easy_setopt(easy, CURLOPT_URL, url);
    NEED(curl_easy_perform(easy) == CURLE_OK);
    body.bytes[body.size] = '\0';
    const char *jobs = strstr(body.bytes, "\"jobs\":");
    curl_easy_cleanup(easy);
    return jobs == NULL ? 0 : strtol(jobs + strlen("\"jobs\":"), NULL, 10);
}

static long most(long a, long b)
{
    return a > b ? a : b;
}

int main(int argc, char **argv)
{
    NEED(argc > 2);
    long count = strtol(argv[1], NULL, 10), seconds = argc > 3 ? strtol(argv[3], NULL, 10) : 10;
    make_room((size_t)count);

    perceptis_client *client = NULL;
    perceptis_queue *queue = NULL;
    perceptis_options *options = perceptis_options_new();
    NEED(curl_global_init(CURL_GLOBAL_ALL) == 0);
    NEED(perceptis_client_new(NULL, &client, NULL) == PERCEPTIS_OK
         && perceptis_queue_new(&queue, NULL) == PERCEPTIS_OK);
    NEED(perceptis_options_set(options, "directory", argv[2], NULL) == PERCEPTIS_OK);
    NEED(submitted() == 0);

    struct timespec pause = {0, 100000000};
    long idle = status("VmRSS"), threads = status("Threads"), most_threads = 0, most_connections = 0;
    start(client, "deck", options, queue, 0);
    while (submitted() == 0) nanosleep(&pause, NULL);
    nanosleep(&pause, NULL);
    long single = status("VmRSS");
    for (long i = 1; i < count; i++) start(client, "deck", options, queue, (size_t)i);
    perceptis_options_free(options);
    for (double end = 0, time = 0; end == 0 || time < end; nanosleep(&pause, NULL)) {
        most_threads = most(most_threads, status("Threads") - threads);
        most_connections = most(most_connections, connections());
        time = now(CLOCK_MONOTONIC);
        if (end == 0 && submitted() >= count) end = time + (double)seconds * 1e6;
    }
    long steady = status("VmRSS"), peak = status("VmHWM");
    perceptis_event *event = NULL;
    size_t taken = 0;
    NEED(perceptis_queue_take(queue, &event, 1, 0, &taken, NULL) == PERCEPTIS_OK);
    if (taken > 0) {
        fprintf(stderr, "a run has ended: %s\n", perceptis_error_message(perceptis_event_error(event)));
        return EXIT_FAILURE;
    }
    printf("%6ld runs: %.1f MB while they wait, %.1f MB at most over the process before its first call;"
           " %.1f MB over the one with a single run (%.2f KB a run); %ld threads, %ld connections\n",
           count, (double)(steady - idle) / 1024, (double)(peak - idle) / 1024,
           (double)(steady - single) / 1024, (double)(steady - single) / (double)count, most_threads,
           most_connections);
    perceptis_client_free(client);
    perceptis_queue_free(queue);
    return EXIT_SUCCESS;
}
