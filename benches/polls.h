/* A client of libcurl, a job and a clock, as the polls of both sides need them. */
#ifndef BENCHES_POLLS_H
#define BENCHES_POLLS_H
#include <curl/curl.h>
#include <perceptis.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NEED(condition)                                                     \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            exit(EXIT_FAILURE);                                             \
        }                                                                   \
    } while (0)

static inline double now(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

/* An answer's body, kept, as every client would. */
struct body {
    char bytes[1 << 16];
    size_t size;
};

static inline size_t keep(char *data, size_t one, size_t count, void *user)
{
    struct body *body = user;
    size_t size = one * count;
    NEED(body->size + size < sizeof body->bytes);
    memcpy(body->bytes + body->size, data, size);
    body->size += size;
    return size;
}

/* A client of libcurl's as its manual has it: one handle, kept alive. */
static inline CURL *new_easy(struct curl_slist *headers, struct body *body)
{
    CURL *easy = curl_easy_init();
    NEED(easy != NULL);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, body);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    if (getenv("BENCH_CA_BUNDLE") != NULL) curl_easy_setopt(easy, CURLOPT_CAINFO, getenv("BENCH_CA_BUNDLE"));
    return easy;
}

static inline struct curl_slist *authorization(void)
{
    char line[512];
    snprintf(line, sizeof line, "Authorization: Bearer %s", getenv("PERCEPTIS_API_KEY"));
    return curl_slist_append(NULL, line);
}

static inline void status_url(char *into, size_t size, const char *job)
{
    snprintf(into, size, "%s/api/v1/status/%s", getenv("PERCEPTIS_API_BASE_URL"), job);
}

/* What the sandbox has answered so far: its journal numbers every request. */
static inline long answered(void)
{
    struct body *body = calloc(1, sizeof *body);
    char url[256];
    CURL *easy = new_easy(NULL, body);
    snprintf(url, sizeof url, "%s/_sandbox/journal?newest=1", getenv("PERCEPTIS_API_BASE_URL"));
    curl_easy_setopt(easy, CURLOPT_URL, url);
    NEED(curl_easy_perform(easy) == CURLE_OK);
    const char *number = strstr(body->bytes, "\"number\":");
    long count = number == NULL ? 0 : strtol(number + strlen("\"number\":"), NULL, 10);
    curl_easy_cleanup(easy);
    free(body);
    return count;
}

static inline char *submit(perceptis_client *client, int number)
{
    perceptis_request *request = NULL;
    char *accepted = NULL, prompt[32];
    snprintf(prompt, sizeof prompt, "Deck %d", number);
    NEED(perceptis_request_new("deck", prompt, &request, NULL) == PERCEPTIS_OK);
    NEED(perceptis_generate(client, request, NULL, &accepted, NULL) == PERCEPTIS_OK);
    char *job = perceptis_json_get(accepted, "/job_id");
    perceptis_string_free(accepted);
    perceptis_request_free(request);
    return job;
}
#endif
