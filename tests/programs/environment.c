/* A program that changes its environment all the time, while it makes clients and calls. The library reads
   the environment in perceptis_client_new alone, which this program keeps apart from its changes.
   Usage: environment CLIENTS MODE BASE_URL...
     changing   another thread changes the environment all the time: a read meanwhile crashes
     told       what is read elsewhere is printed, and nothing is changed */
#define _GNU_SOURCE
#include "check.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

/* So many variables that a look at them all takes a while. */
enum { VARIABLES = 4000, MAX_TOLD = 100 };

static pthread_mutex_t environment = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool ends;
static _Thread_local bool in_client_new;
static bool tells;
static char told[MAX_TOLD][64];
static atomic_int many;

/* In the place of the C library's, for the library under test as well. */
char *getenv(const char *name)
{
    size_t length = strlen(name);
    if (tells && !in_client_new) {
        int at = atomic_fetch_add(&many, 1);
        if (at < MAX_TOLD) snprintf(told[at], sizeof told[at], "%s", name);
    }
    for (char **entry = environ; entry != NULL && *entry != NULL; entry++) {
        if (strncmp(*entry, name, length) == 0 && (*entry)[length] == '=') return *entry + length + 1;
    }
    return NULL;
}

/* Moves the array of the environment, as setenv does when it grows; what was there before is gone at once. */
static void *change(void *nothing)
{
    size_t size = (VARIABLES + 1000) * sizeof *environ;
    void *before = NULL;
    for (unsigned at = 0; !atomic_load(&ends); at++) {
        pthread_mutex_lock(&environment);
        CHECK(setenv("http_proxy", at % 2 == 0 ? "http://127.0.0.1:9" : "http://127.0.0.1:7", 1) == 0);
        CHECK(setenv("CHANGED", "once", 1) == 0);
        CHECK(unsetenv("CHANGED") == 0);
        char **moved = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(moved != MAP_FAILED);
        size_t count = 0;
        while (environ[count] != NULL) count++;
        CHECK((count + 1) * sizeof *environ <= size);
        memcpy(moved, environ, count * sizeof *environ);
        environ = moved;
        if (before != NULL) CHECK(munmap(before, size) == 0);
        before = moved;
        pthread_mutex_unlock(&environment);
        sched_yield();
    }
    return nothing;
}

/* What a program sets for its clients is there while they are made. */
static void prepare(const char *url, const char *key, const char *ca_file)
{
    CHECK(setenv("PERCEPTIS_API_BASE_URL", url, 1) == 0);
    CHECK(setenv("PERCEPTIS_API_KEY", key, 1) == 0);
    CHECK(setenv("PERCEPTIS_LEDGER", "off", 1) == 0);
    CHECK(setenv("PERCEPTIS_ALLOW_HTTP", "true", 1) == 0);
    CHECK(setenv("PERCEPTIS_CA_FILE", ca_file, 1) == 0);
    CHECK(unsetenv("http_proxy") == 0);
}

static void ask(const char *url, const char *key, const char *ca_file)
{
    perceptis_client *client = NULL;
    perceptis_options *options = perceptis_options_new();
    perceptis_error *error = NULL;
    char *job = NULL;
    pthread_mutex_lock(&environment);
    if (!tells) prepare(url, key, ca_file);
    in_client_new = true;
    MUST(perceptis_client_new(NULL, &client, &failed));
    in_client_new = false;
    pthread_mutex_unlock(&environment);
    MUST(perceptis_options_set(options, "timeout_ms", "60000", &failed));
    /* On this thread, and then on the client's. */
    perceptis_code code = perceptis_get_status(client, "job_none", options, &job, &error);
    if (code != PERCEPTIS_NOT_FOUND && code != PERCEPTIS_REJECTED) {
        fprintf(stderr, "%s: %s\n", url, perceptis_error_message(error));
        _exit(EXIT_FAILURE);
    }
    perceptis_error_free(error);
    perceptis_queue *queue = NULL;
    perceptis_event *event = NULL;
    size_t taken = 0;
    MUST(perceptis_queue_new(&queue, &failed));
    ask_async(client, queue, 1);
    MUST(perceptis_queue_take(queue, &event, 1, 60000, &taken, &failed));
    CHECK(taken == 1);
    perceptis_event_free(event);
    perceptis_queue_free(queue);
    perceptis_options_free(options);
    perceptis_client_close(client, 10000, NULL);
    perceptis_client_free(client);
}

int main(int argc, char **argv)
{
    pthread_t changing = 0;
    CHECK(argc > 3);
    tells = strcmp(argv[2], "told") == 0;
    char *key = strdup(getenv("PERCEPTIS_API_KEY"));
    const char *file = getenv("PERCEPTIS_CA_FILE");
    char *ca_file = strdup(file != NULL ? file : "");
    atomic_store(&many, 0);
    for (int at = 0; !tells && at < VARIABLES; at++) {
        char name[32];
        snprintf(name, sizeof name, "VARIABLE_%d", at);
        CHECK(setenv(name, "", 1) == 0);
    }
    if (!tells) CHECK(pthread_create(&changing, NULL, change, NULL) == 0);
    for (int client = 0; client < atoi(argv[1]); client++) {
        for (int url = 3; url < argc; url++) {
            if (tells) prepare(argv[url], key, ca_file);
            ask(argv[url], key, ca_file);
        }
    }
    atomic_store(&ends, true);
    if (!tells) CHECK(pthread_join(changing, NULL) == 0);
    int all = atomic_load(&many);
    for (int at = 0; at < all && at < MAX_TOLD; at++) printf("%s\n", told[at]);
    free(key);
    free(ca_file);
    return EXIT_SUCCESS;
}
