/* Runs by the thousand, as the benches start them. */
#ifndef BENCHES_RUNS_H
#define BENCHES_RUNS_H
#include "polls.h"

#include <sys/resource.h>

/* Every run holds its file's name with a descriptor. */
static inline void make_room(size_t runs)
{
    struct rlimit files;
    NEED(getrlimit(RLIMIT_NOFILE, &files) == 0);
    files.rlim_cur = files.rlim_max;
    NEED(setrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur > (rlim_t)runs + 64);
}

static inline void start(perceptis_client *client, const char *output_type, perceptis_options *options,
                         perceptis_queue *queue, size_t number)
{
    perceptis_request *request = NULL;
    char prompt[32];
    snprintf(prompt, sizeof prompt, "Slide %zu", number);
    NEED(perceptis_request_new(output_type, prompt, &request, NULL) == PERCEPTIS_OK);
    NEED(perceptis_run_async(client, request, options, queue, number, NULL) == PERCEPTIS_OK);
    perceptis_request_free(request);
}
#endif
