/* Many jobs at once, polled for some seconds: by the library, all on one queue, and by libcurl's multi
   interface with a heap of due times, eight requests at once and a tick of a millisecond. CPU a poll of each.
   Usage: polls JOBS SECONDS GAP_MS: each side polls each job once in GAP_MS of the wall's time. */
#define _GNU_SOURCE
#include "polls.h"
#include <dirent.h>

enum { SLOTS = 8 };

struct due {
    double when;
    size_t job;
};

static struct due *heap;
static size_t size;

static void push(struct due entry)
{
    size_t at = size++;
    for (; at > 0 && heap[(at - 1) / 2].when > entry.when; at = (at - 1) / 2) heap[at] = heap[(at - 1) / 2];
    heap[at] = entry;
}

static struct due pop(void)
{
    struct due first = heap[0], last = heap[--size];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < size; at = child) {
        if (child + 1 < size && heap[child + 1].when < heap[child].when) child++;
        if (heap[child].when >= last.when) break;
        heap[at] = heap[child];
    }
    heap[at] = last;
    return first;
}

static int entries(const char *path)
{
    int count = -2;
    DIR *directory = opendir(path);
    NEED(directory != NULL);
    while (readdir(directory) != NULL) count++;
    closedir(directory);
    return count;
}

static long memory_kib(void)
{
    char line[256];
    long kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    NEED(status != NULL);
    while (fgets(line, sizeof line, status) != NULL) sscanf(line, "VmRSS: %ld", &kib);
    fclose(status);
    return kib;
}

int main(int argc, char **argv)
{
    NEED(argc == 4);
    size_t count = strtoul(argv[1], NULL, 10);
    double seconds = strtod(argv[2], NULL), gap = strtod(argv[3], NULL) * 1e3;
    char **jobs = calloc(count, sizeof *jobs);
    perceptis_client *client = NULL;
    perceptis_queue *queue = NULL;
    NEED(curl_global_init(CURL_GLOBAL_ALL) == 0);
    int threads = entries("/proc/self/task"), descriptors = entries("/proc/self/fd");
    NEED(perceptis_client_new(NULL, &client, NULL) == PERCEPTIS_OK
         && perceptis_queue_new(&queue, NULL) == PERCEPTIS_OK);
    for (size_t i = 0; i < count; i++) jobs[i] = submit(client, (int)i);

    long idle = memory_kib();
    double begin = now(CLOCK_MONOTONIC), busy = now(CLOCK_PROCESS_CPUTIME_ID);
    long before = answered();
    for (size_t i = 0; i < count; i++)
        NEED(perceptis_wait_async(client, jobs[i], NULL, queue, i, NULL) == PERCEPTIS_OK);
    double started = now(CLOCK_PROCESS_CPUTIME_ID) - busy;
    struct timespec rest = {(time_t)seconds, 0};
    nanosleep(&rest, NULL);
    long polls = answered() - before - 1;
    double cpu = now(CLOCK_PROCESS_CPUTIME_ID) - busy;
    double took = now(CLOCK_MONOTONIC) - begin;
    threads = entries("/proc/self/task") - threads;
    descriptors = entries("/proc/self/fd") - descriptors;
    long memory = memory_kib() - idle;
    perceptis_client_free(client);
    perceptis_queue_free(queue);

    /* The peer, at the pace that the library had. */
    if (gap <= 0) gap = took * (double)count / (double)polls;
    static struct body bodies[SLOTS];
    static size_t asked[SLOTS];
    CURL *easy[SLOTS], *free_slots[SLOTS];
    struct curl_slist *headers = authorization();
    CURLM *multi = curl_multi_init();
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)SLOTS);
    int idle_slots = 0;
    for (int i = 0; i < SLOTS; i++) {
        easy[i] = new_easy(headers, &bodies[i]);
        curl_easy_setopt(easy[i], CURLOPT_PRIVATE, &asked[i]);
        free_slots[idle_slots++] = easy[i];
    }
    heap = calloc(count, sizeof *heap);
    busy = now(CLOCK_PROCESS_CPUTIME_ID);
    begin = now(CLOCK_MONOTONIC);
    for (size_t i = 0; i < count; i++) push((struct due){begin + gap * (double)i / (double)count, i});
    long peer = 0;
    for (double time; (time = now(CLOCK_MONOTONIC)) < begin + seconds * 1e6;) {
        while (idle_slots > 0 && size > 0 && heap[0].when <= time) {
            CURL *slot = free_slots[--idle_slots];
            size_t *job = NULL, at = pop().job;
            char url[256];
            curl_easy_getinfo(slot, CURLINFO_PRIVATE, &job);
            *job = at;
            bodies[job - asked].size = 0;
            status_url(url, sizeof url, jobs[at]);
            curl_easy_setopt(slot, CURLOPT_URL, url);
            curl_multi_add_handle(multi, slot);
        }
        int running = 0, left = 0;
        curl_multi_perform(multi, &running);
        for (CURLMsg *message; (message = curl_multi_info_read(multi, &left)) != NULL;) {
            size_t *job = NULL;
            CURL *slot = message->easy_handle;
            NEED(message->msg == CURLMSG_DONE && message->data.result == CURLE_OK);
            curl_easy_getinfo(slot, CURLINFO_PRIVATE, &job);
            NEED(memmem(bodies[job - asked].bytes, bodies[job - asked].size, "\"status\":\"", 10) != NULL);
            curl_multi_remove_handle(multi, slot);
            free_slots[idle_slots++] = slot;
            push((struct due){now(CLOCK_MONOTONIC) + gap, *job});
            peer++;
        }
        if (!(idle_slots > 0 && size > 0 && heap[0].when <= now(CLOCK_MONOTONIC)))
            curl_multi_poll(multi, NULL, 0, running > 0 || size > 0 ? 1 : 1000, NULL);
    }
    double peer_cpu = now(CLOCK_PROCESS_CPUTIME_ID) - busy;
    double ours = cpu / (double)polls, theirs = peer_cpu / (double)peer;
    printf("%6zu jobs: %7ld polls, CPU a poll %6.1f us   libcurl multi %7ld polls, %6.1f us   ratio %.2f\n",
           count, polls, ours, peer, theirs, ours / theirs);
    printf("             start %5.1f us a job, %d threads, %d descriptors, %.1f MB (%.1f KB a job)\n",
           started / (double)count, threads, descriptors, (double)memory / 1024,
           (double)memory / (double)count);
    return EXIT_SUCCESS;
}
