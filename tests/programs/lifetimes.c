/* Clients closed and freed while calls run on other threads; each call ends with CLOSED and what is known. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <string.h>

struct call {
    perceptis_client *client;
    const char *job_id;
};

static void *wait_for_job(void *argument)
{
    struct call *call = argument;
    perceptis_error *error = NULL;
    char *status = NULL;
    CHECK(perceptis_wait(call->client, call->job_id, NULL, &status, &error) == PERCEPTIS_CLOSED);
    CHECK(status == NULL);
    CHECK(strstr(perceptis_error_details(error), call->job_id) != NULL);
    perceptis_error_free(error);
    return NULL;
}

static void until_running(perceptis_client *client, int count)
{
    char pointer[32];
    snprintf(pointer, sizeof pointer, "/operations/%d", count - 1);
    for (;;) {
        char *activity = NULL;
        CHECK(perceptis_client_activity(client, &activity, NULL) == PERCEPTIS_OK);
        char *last = perceptis_json_get(activity, pointer);
        int there = last != NULL;
        perceptis_string_free(last);
        perceptis_string_free(activity);
        if (there) return;
        sched_yield();
    }
}

static void end(int closes)
{
    enum { CALLS = 4 };
    perceptis_client *client = NULL;
    perceptis_request *request = NULL;
    char *accepted = NULL;
    CHECK(perceptis_client_new(NULL, &client, NULL) == PERCEPTIS_OK);
    CHECK(perceptis_request_new("deck", "Lifetimes [[sandbox: never_ends]]", &request, NULL) == PERCEPTIS_OK);
    CHECK(perceptis_generate(client, request, NULL, &accepted, NULL) == PERCEPTIS_OK);
    perceptis_request_free(request);
    char *job_id = perceptis_json_get(accepted, "/job_id");
    perceptis_string_free(accepted);

    pthread_t threads[CALLS];
    struct call call = {client, job_id};
    for (int i = 0; i < CALLS; i++) CHECK(pthread_create(&threads[i], NULL, wait_for_job, &call) == 0);
    until_running(client, CALLS);
    if (closes) {
        CHECK(perceptis_client_close(client, 10000, NULL) == PERCEPTIS_OK);
        CHECK(perceptis_client_close(client, 0, NULL) == PERCEPTIS_OK);
        char *status = NULL;
        CHECK(perceptis_get_status(client, job_id, NULL, &status, NULL) == PERCEPTIS_CLOSED);
    } else {
        perceptis_client_free(client);
    }
    for (int i = 0; i < CALLS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    if (closes) perceptis_client_free(client);
    perceptis_string_free(job_id);
}

int main(void)
{
    for (int round = 0; round < 3; round++) {
        end(1);
        end(0);
    }
    /* A client that is never used, and one that is left behind at exit with its thread. */
    perceptis_client *unused = NULL, *left = NULL;
    CHECK(perceptis_client_new(NULL, &unused, NULL) == PERCEPTIS_OK);
    perceptis_client_free(unused);
    CHECK(perceptis_client_new(NULL, &left, NULL) == PERCEPTIS_OK);
    char *status = NULL;
    CHECK(perceptis_get_status(left, "job_none", NULL, &status, NULL) == PERCEPTIS_NOT_FOUND);
    static perceptis_client *kept;
    kept = left;
    (void)kept;
    return EXIT_SUCCESS;
}
