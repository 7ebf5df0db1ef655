/* The library's functions, found by their names: a worker can use two copies of the library at once, as a
   program does whose plugins each bring their own. */
#ifndef LIBRARY_H
#define LIBRARY_H
#include <dlfcn.h>
#include <errno.h>
#include <perceptis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* clang-format off */
#define FUNCTIONS(X)                                                                                    \
    X(config_new) X(config_set) X(config_free) X(client_new) X(client_activity) X(client_close)         \
    X(client_free) X(request_new) X(request_set) X(request_free) X(options_new) X(options_set)          \
    X(options_free) X(string_free) X(code_name) X(error_message) X(error_details) X(error_free)         \
    X(run) X(generate) X(wait) X(download) X(get_status) X(recover) X(jobs) X(forget) X(run_async)      \
    X(generate_async) X(wait_async) X(download_async) X(get_status_async) X(recover_async)              \
    X(queue_new) X(queue_fd) X(queue_take) X(queue_cancel) X(queue_free) X(event_tag)                   \
    X(event_kind) X(event_code) X(event_json) X(event_error) X(event_free)
/* clang-format on */

struct library {
#define DECLARE(name) __typeof__(&perceptis_##name) name;
    FUNCTIONS(DECLARE)
#undef DECLARE
    /* Events of the first queue are taken and freed at once, those of the second when told. */
    perceptis_queue *queues[2];
};

static struct library libraries[2];

static void die(const char *why)
{
    fprintf(stderr, "worker: %s (%s)\n", why, strerror(errno));
    _exit(3);
}

static struct library *library(size_t which)
{
    struct library *in = &libraries[which];
    if (in->config_new != NULL) return in;
    const char *path = getenv(which == 0 ? "SEQUENCES_LIBRARY" : "SEQUENCES_COPY");
    void *found = path != NULL ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (found == NULL) die(dlerror());
#define LOAD(name)                                          \
    *(void **)&in->name = dlsym(found, "perceptis_" #name); \
    if (in->name == NULL) die("the library lacks perceptis_" #name);
    FUNCTIONS(LOAD)
#undef LOAD
    for (size_t i = 0; i < 2; i++)
        if (in->queue_new(&in->queues[i], NULL) != PERCEPTIS_OK) die("no queue");
    return in;
}
#endif
