/* What one call costs, beside libcurl's easy interface: call [ROUNDS [CALLS]], under `perceptis-sandbox exec`

   Both sides ask for a job's state over a connection that stands, on the calling thread, and have the answer
   as text; this library also reads it. Each call is about another job, since a job is asked about once a
   second at most. The sides take turns, CALLS at a time; a ratio is the median of the rounds' ratios. */
#define _POSIX_C_SOURCE 200809L
#include "measure.h"
#include "service.h"

#include <curl/curl.h>
#include <perceptis.h>

enum { MAX_ROUNDS = 200, MAX_CALLS = 1000, ID = 64 };

struct side {
    const char *name;
    double middle[MAX_ROUNDS], tail[MAX_ROUNDS], used[MAX_ROUNDS];
};

static CURL *curl;
static struct curl_slist *headers;
static perceptis_client *client;
static const char *base;

static void with_libcurl(const char *id)
{
    char url[256];
    long status = 0;
    struct text text = {.size = 0};
    snprintf(url, sizeof url, "%s/api/v1/status/%s", base, id);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, (void *)&text);
    CHECK(curl_easy_perform(curl) == CURLE_OK, "libcurl: no answer");
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    CHECK(status == 200, "libcurl: %ld %s", status, text.bytes);
}

static void with_libperceptis(const char *id)
{
    char *answer = NULL;
    perceptis_error *error = NULL;
    CHECK(perceptis_get_status(client, id, NULL, &answer, &error) == PERCEPTIS_OK, "libperceptis: %s",
          perceptis_error_message(error));
    perceptis_string_free(answer);
}

static void submit(char (*ids)[ID], size_t count)
{
    static const char body[] = "{\"output_type\":\"single_slide\",\"prompt\":\"a\"}";
    char url[256];
    CURL *posting = curl_easy_init();
    struct curl_slist *fields = curl_slist_append(NULL, headers->data);
    fields = curl_slist_append(fields, "Content-Type: application/json");
    snprintf(url, sizeof url, "%s/api/v1/generate", base);
    curl_easy_setopt(posting, CURLOPT_URL, url);
    curl_easy_setopt(posting, CURLOPT_CAINFO, getenv("PERCEPTIS_CA_FILE"));
    curl_easy_setopt(posting, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(posting, CURLOPT_HTTPHEADER, fields);
    curl_easy_setopt(posting, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(posting, CURLOPT_WRITEFUNCTION, take_text);
    for (size_t at = 0; at < count; at++) {
        struct text text = {.size = 0};
        curl_easy_setopt(posting, CURLOPT_WRITEDATA, (void *)&text);
        CHECK(curl_easy_perform(posting) == CURLE_OK, "a submission failed");
        job_id_of(&text, ids[at], ID);
    }
    curl_easy_cleanup(posting);
    curl_slist_free_all(fields);
}

static void round_of(struct side *side, void (*call)(const char *), char (*ids)[ID], size_t calls,
                     size_t round)
{
    static double took[MAX_CALLS];
    double used = processor();
    for (size_t at = 0; at < calls; at++) {
        double begun = now();
        call(ids[at]);
        took[at] = now() - begun;
    }
    side->used[round] = (processor() - used) / (double)calls;
    side->middle[round] = median(took, calls);
    side->tail[round] = quantile(took, calls, 0.99);
}

static double ratio(const double *ours, const double *theirs, size_t rounds)
{
    double ratios[MAX_ROUNDS];
    for (size_t round = 0; round < rounds; round++) ratios[round] = ours[round] / theirs[round];
    return median(ratios, rounds);
}

int main(int argc, char **argv)
{
    static struct side theirs = {.name = "libcurl, easy interface"},
                       ours = {.name = "libperceptis, get_status"};
    size_t rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 40,
           calls = argc > 2 ? strtoul(argv[2], NULL, 10) : 100;
    CHECK(rounds > 0 && rounds < MAX_ROUNDS && calls > 0 && calls <= MAX_CALLS, "usage: see the source");
    char authorization[256];
    base = setting("PERCEPTIS_API_BASE_URL");
    snprintf(authorization, sizeof authorization, "Authorization: Bearer %s", setting("PERCEPTIS_API_KEY"));

    curl_global_init(CURL_GLOBAL_DEFAULT);
    curl = curl_easy_init();
    headers = curl_slist_append(NULL, authorization);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_CAINFO, getenv("PERCEPTIS_CA_FILE"));
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_text);
    perceptis_error *error = NULL;
    CHECK(perceptis_client_new(NULL, &client, &error) == PERCEPTIS_OK, "%s", perceptis_error_message(error));
    char (*ids)[ID] = calloc(2 * calls * (rounds + 1), ID);
    CHECK(ids != NULL, "no memory");
    submit(ids, 2 * calls * (rounds + 1));

    char (*next)[ID] = ids;
    /* The first round warms up and is overwritten. */
    for (size_t round = 0; round <= rounds; round++) {
        size_t place = round == 0 ? 0 : round - 1;
        for (int turn = 0; turn < 2; turn++, next += calls) {
            if ((round + (size_t)turn) % 2 == 0) round_of(&theirs, with_libcurl, next, calls, place);
            else round_of(&ours, with_libperceptis, next, calls, place);
        }
    }

    double middle = ratio(ours.middle, theirs.middle, rounds), used = ratio(ours.used, theirs.used, rounds);
    double tail = ratio(ours.tail, theirs.tail, rounds);
    printf("\nOne call on a warm connection, %s: %zu rounds of %zu calls\n\n",
           strncmp(base, "https", 5) == 0 ? "https" : "http", rounds, calls);
    printf("| %-26s | median   | 99 %%     | processor |\n", "");
    printf("|----------------------------|----------|----------|-----------|\n");
    struct side *sides[] = {&theirs, &ours};
    for (size_t at = 0; at < 2; at++) {
        printf("| %-26s | %5.1f us | %5.0f us | %6.1f us |\n", sides[at]->name,
               median(sides[at]->middle, rounds) * 1e6, median(sides[at]->tail, rounds) * 1e6,
               median(sides[at]->used, rounds) * 1e6);
    }
    printf("| %-26s | %8.2f | %8.2f | %9.2f |\n", "ratio", middle, tail, used);
    free(ids);
    perceptis_client_free(client);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return EXIT_SUCCESS;
}
