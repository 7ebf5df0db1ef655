/* The library's threads block all signals: a handler of the program's runs on the program's threads. */
#define _GNU_SOURCE
#include "check.h"
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

static volatile sig_atomic_t handled, elsewhere;
static pid_t main_thread;

static void handle(int number)
{
    (void)number;
    handled++;
    if ((pid_t)syscall(SYS_gettid) != main_thread) elsewhere = 1;
}

/* What a thread blocks, as the kernel tells it. */
static unsigned long long blocked(const char *thread)
{
    char path[64], line[256];
    unsigned long long mask = 0;
    snprintf(path, sizeof path, "/proc/self/task/%.20s/status", thread);
    FILE *status = fopen(path, "r");
    if (status == NULL) return ~0ULL; /* It has just ended. */
    while (fgets(line, sizeof line, status) != NULL) sscanf(line, "SigBlk: %llx", &mask);
    fclose(status);
    return mask;
}

int main(int argc, char **argv)
{
    perceptis_client *client = NULL;
    perceptis_queue *queue = NULL;
    perceptis_request *request = NULL;
    perceptis_options *options = perceptis_options_new();
    perceptis_event *event = NULL;
    size_t taken = 0;
    sigset_t before, after;
    CHECK(argc == 2);
    main_thread = (pid_t)syscall(SYS_gettid);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    for (int number = 1; number < NSIG; number++)
        if (number != SIGKILL && number != SIGSTOP && number != SIGCHLD
            && (number < 32 || number >= SIGRTMIN))
            CHECK(signal(number, handle) != SIG_ERR);

    MUST(perceptis_client_new(NULL, &client, &failed));
    MUST(perceptis_queue_new(&queue, &failed));
    MUST(perceptis_request_new("deck", "Signals", &request, &failed));
    MUST(perceptis_options_set(options, "directory", argv[1], &failed));
    MUST(perceptis_run_async(client, request, options, queue, 1, &failed));
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    /* One by one: of the bytes of a sigset_t pthread_sigmask writes only those that have a signal. */
    for (int number = 1; number < NSIG; number++) {
        int was = sigismember(&before, number);
        CHECK(was >= 0 || number == 32 || number == 33); /* The two that the C library keeps for itself. */
        CHECK(sigismember(&after, number) == was);
    }
    int running = 1, seen = 0;
    while (running) {
        /* All signals that a thread can block, but for the two that the C library keeps for itself. */
        const unsigned long long all = ~0ULL & ~(1ULL << (SIGKILL - 1) | 1ULL << (SIGSTOP - 1) | 3ULL << 31);
        DIR *threads = opendir("/proc/self/task");
        CHECK(threads != NULL);
        for (struct dirent *entry; (entry = readdir(threads)) != NULL;) {
            if (entry->d_name[0] == '.' || atoi(entry->d_name) == main_thread) continue;
            CHECK((blocked(entry->d_name) & all) == all);
            seen++;
        }
        closedir(threads);
        for (int number = 1; number < 32; number++)
            if (number != SIGKILL && number != SIGSTOP && number != SIGCHLD)
                CHECK(kill(getpid(), number) == 0);
        MUST(perceptis_queue_take(queue, &event, 1, 1, &taken, &failed));
        running = taken == 0;
    }
    CHECK(perceptis_event_code(event) == PERCEPTIS_OK);
    CHECK(seen > 0 && handled > 0 && !elsewhere);
    perceptis_event_free(event);
    perceptis_options_free(options);
    perceptis_request_free(request);
    perceptis_queue_free(queue);
    perceptis_client_free(client);
    return EXIT_SUCCESS;
}
