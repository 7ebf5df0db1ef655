/* The library is closed with dlclose and loaded again, with a client of the first time still there. Built
   without it.
   Usage: reload LIBRARY */
#include <perceptis.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(condition)                                                    \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            exit(EXIT_FAILURE);                                             \
        }                                                                   \
    } while (0)

/* POSIX has functions behind dlsym's pointer; ISO C does not, so it is copied. */
#define FIND(name)                                        \
    do {                                                  \
        void *found = dlsym(library, "perceptis_" #name); \
        CHECK(found != NULL);                             \
        *(void **)&name = found;                          \
    } while (0)

static perceptis_code (*client_new)(const perceptis_config *, perceptis_client **, perceptis_error **);
static perceptis_code (*wait_async)(perceptis_client *, const char *, const perceptis_options *,
                                    perceptis_queue *, uint64_t, perceptis_error **);
static perceptis_code (*queue_new)(perceptis_queue **, perceptis_error **);
static perceptis_code (*queue_cancel)(perceptis_queue *, uint64_t, perceptis_error **);
static perceptis_code (*queue_take)(perceptis_queue *, perceptis_event **, size_t, int64_t, size_t *,
                                    perceptis_error **);
static perceptis_code (*event_code)(const perceptis_event *);
static void (*event_free)(perceptis_event *);
static void (*queue_free)(perceptis_queue *);
static void (*client_free)(perceptis_client *);

int main(int argc, char **argv)
{
    perceptis_client *left = NULL;
    perceptis_queue *left_queue = NULL;
    CHECK(argc == 2);
    for (int round = 0; round < 5; round++) {
        void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
        if (library == NULL) fprintf(stderr, "%s\n", dlerror());
        CHECK(library != NULL);
        FIND(client_new);
        FIND(wait_async);
        FIND(queue_new);
        FIND(queue_cancel);
        FIND(queue_take);
        FIND(event_code);
        FIND(event_free);
        FIND(queue_free);
        FIND(client_free);
        perceptis_event *event = NULL;
        size_t taken = 0;
        if (round == 0) {
            /* Nothing of it runs, and nothing is left of this client. */
            CHECK(client_new(NULL, &left, NULL) == PERCEPTIS_OK);
            client_free(left);
            left = NULL;
            CHECK(dlclose(library) == 0);
            library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
            CHECK(library != NULL);
        }
        if (left != NULL) {
            /* Its threads and its call went on meanwhile. */
            CHECK(queue_cancel(left_queue, 1, NULL) == PERCEPTIS_OK);
            CHECK(queue_take(left_queue, &event, 1, -1, &taken, NULL) == PERCEPTIS_OK && taken == 1);
            CHECK(event_code(event) == PERCEPTIS_CANCELLED);
            event_free(event);
            queue_free(left_queue);
            client_free(left);
        }
        CHECK(client_new(NULL, &left, NULL) == PERCEPTIS_OK && queue_new(&left_queue, NULL) == PERCEPTIS_OK);
        CHECK(wait_async(left, "job_none", NULL, left_queue, 2, NULL) == PERCEPTIS_OK);
        CHECK(queue_take(left_queue, &event, 1, -1, &taken, NULL) == PERCEPTIS_OK && taken == 1);
        CHECK(event_code(event) == PERCEPTIS_NOT_FOUND);
        event_free(event);
        CHECK(wait_async(left, getenv("JOB_ID"), NULL, left_queue, 1, NULL) == PERCEPTIS_OK);
        CHECK(dlclose(library) == 0);
        /* It stays. */
        library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
        CHECK(library != NULL && dlclose(library) == 0);
        /* What the library has registered for forks is called still. */
        pid_t child = fork();
        int status = -1;
        CHECK(child >= 0);
        if (child == 0) _exit(EXIT_SUCCESS);
        CHECK(waitpid(child, &status, 0) == child && status == 0);
    }
    return EXIT_SUCCESS;
}
