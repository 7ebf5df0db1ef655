/* What the programs share. */
#ifndef CHECK_H
#define CHECK_H
#include <perceptis.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Ends the process at once: a child, or a thread of many, must not run what the others have registered. A
   thread with a cancel pending says why, too. */
#define CHECK(condition)                                                    \
    do {                                                                    \
        if (!(condition)) {                                                 \
            pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);           \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            _exit(EXIT_FAILURE);                                            \
        }                                                                   \
    } while (0)

/* A call of the library that must work; its error's message is shown if it does not. `failed` is the place
   for it. */
#define MUST(call)                                                                                          \
    do {                                                                                                    \
        perceptis_error *failed = NULL;                                                                     \
        if ((call) != PERCEPTIS_OK) {                                                                       \
            pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);                                           \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, perceptis_error_message(failed)); \
            _exit(EXIT_FAILURE);                                                                            \
        }                                                                                                   \
        perceptis_error_free(failed);                                                                       \
    } while (0)

/* Starts a call that ends soon, NOT_FOUND. Each asks about a job of its own: one is asked about once a second
   only. */
static inline void ask_async(perceptis_client *client, perceptis_queue *queue, uint64_t tag)
{
    char job_id[32];
    snprintf(job_id, sizeof job_id, "job_none_%lx", (unsigned long)tag);
    MUST(perceptis_get_status_async(client, job_id, NULL, queue, tag, &failed));
}

/* The id of a new job, which never ends. */
static inline char *new_job(perceptis_client *client)
{
    perceptis_request *request = NULL;
    char *accepted = NULL;
    MUST(perceptis_request_new("deck", "A job [[sandbox: never_ends]]", &request, &failed));
    MUST(perceptis_generate(client, request, NULL, &accepted, &failed));
    char *job_id = perceptis_json_get(accepted, "/job_id");
    perceptis_string_free(accepted);
    perceptis_request_free(request);
    return job_id;
}
#endif
