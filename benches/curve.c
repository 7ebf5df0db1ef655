/* What a run costs beside how many others: whole lives of JOBS slides on one queue, from the request to the
   file on the disk, and the processor that each took. The more that happens at once, the less of a wake-up
   each pays for: where the sandbox's time runs so fast that as much happens a second whatever the number,
   what is left is what the number costs.
   Usage: curve JOBS RUNS DIRECTORY: waves of JOBS, RUNS at least in all; in the directory another is made,
   and removed again with its files. */
#define _GNU_SOURCE
#include "runs.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

enum { ROOM = 256 };

/* A millisecond or so of this machine as it is now: what else runs on it makes the same work longer by a
   third. */
static double yardstick(void)
{
    double begin = now(CLOCK_PROCESS_CPUTIME_ID);
    uint64_t state = 88172645463325252u;
    for (int i = 0; i < 100000000; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    NEED(state != 0);
    return (now(CLOCK_PROCESS_CPUTIME_ID) - begin) / 200;
}

static void remove_with_files(const char *path)
{
    DIR *directory = opendir(path);
    NEED(directory != NULL);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        unlinkat(dirfd(directory), entry->d_name, 0);
    closedir(directory);
    NEED(rmdir(path) == 0);
}

int main(int argc, char **argv)
{
    NEED(argc == 4);
    char directory[512];
    snprintf(directory, sizeof directory, "%s/perceptis-XXXXXX", argv[3]);
    NEED(mkdtemp(directory) != NULL);
    size_t count = strtoul(argv[1], NULL, 10), least = strtoul(argv[2], NULL, 10);
    NEED(count > 0);
    make_room(count);

    perceptis_client *client = NULL;
    perceptis_queue *queue = NULL;
    perceptis_options *options = perceptis_options_new();
    NEED(perceptis_client_new(NULL, &client, NULL) == PERCEPTIS_OK
         && perceptis_queue_new(&queue, NULL) == PERCEPTIS_OK);
    NEED(perceptis_options_set(options, "directory", directory, NULL) == PERCEPTIS_OK);

    double before_it = yardstick(), used = 0, took = 0;
    long before = answered();
    size_t waves = count < least ? (least + count - 1) / count : 1;
    for (size_t wave = 0; wave < waves; wave++) {
        double begin = now(CLOCK_MONOTONIC), busy = now(CLOCK_PROCESS_CPUTIME_ID);
        for (size_t i = 0; i < count; i++) start(client, "single_slide", options, queue, wave * count + i);
        for (size_t done = 0; done < count;) {
            perceptis_event *events[ROOM];
            size_t taken = 0;
            NEED(perceptis_queue_take(queue, events, ROOM, -1, &taken, NULL) == PERCEPTIS_OK);
            for (size_t i = 0; i < taken; i++, done++) {
                if (perceptis_event_code(events[i]) != PERCEPTIS_OK) {
                    fprintf(stderr, "a run failed: %s\n",
                            perceptis_error_message(perceptis_event_error(events[i])));
                    return EXIT_FAILURE;
                }
                perceptis_event_free(events[i]);
            }
        }
        used += now(CLOCK_PROCESS_CPUTIME_ID) - busy;
        took += now(CLOCK_MONOTONIC) - begin;
    }
    double requests = (double)(answered() - before - 1), runs = (double)(waves * count);
    double each = used / runs, measure = (before_it + yardstick()) / 2, asked = requests / runs;
    printf("%6zu runs at once: %5.2f ms of processor each, %.2f yardsticks; %.1f requests each, "
           "%.4f yardsticks a request; %.0f requests a second\n",
           count, each / 1e3, each / measure, asked, each / measure / asked, requests / took * 1e6);
    remove_with_files(directory);
    perceptis_options_free(options);
    perceptis_client_free(client);
    perceptis_queue_free(queue);
    return EXIT_SUCCESS;
}
