/* One thread hands out the log records of all clients of a configuration. It comes with the first record and
   goes when the configuration and its clients are gone; a fork's child has its own. With the argument "fork":
   the latter. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include <dirent.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>

static atomic_int calls, inside, stop;
static _Atomic pthread_t last;

static void hear(void *user, const char *record)
{
    CHECK(atomic_fetch_add(&inside, 1) == 0);
    CHECK(user == &calls && record[0] == '{');
    atomic_store(&last, pthread_self());
    sched_yield();
    atomic_fetch_add(&calls, 1);
    atomic_fetch_sub(&inside, 1);
}

static int log_threads(void)
{
    int count = 0;
    DIR *threads = opendir("/proc/self/task");
    CHECK(threads != NULL);
    for (struct dirent *entry; (entry = readdir(threads)) != NULL;) {
        char path[64], name[32] = "";
        snprintf(path, sizeof path, "/proc/self/task/%.20s/comm", entry->d_name);
        FILE *comm = fopen(path, "r");
        if (comm == NULL) continue;
        if (fgets(name, sizeof name, comm) != NULL && strcmp(name, "perceptis-log\n") == 0) count++;
        fclose(comm);
    }
    closedir(threads);
    return count;
}

static void until_log_threads(int count)
{
    while (log_threads() != count) sched_yield();
}

static perceptis_config *configuration(void)
{
    perceptis_config *config = perceptis_config_new();
    MUST(perceptis_config_set_log(config, hear, &calls, &failed));
    return config;
}

static perceptis_client *client_of(perceptis_config *config)
{
    perceptis_client *client = NULL;
    MUST(perceptis_client_new(config, &client, &failed));
    return client;
}

/* Two records at least, of which one was handed out when this returns: the thread has its name by then. */
static void ask(perceptis_client *client, int number)
{
    char job_id[32], *status = NULL;
    int before = atomic_load(&calls);
    snprintf(job_id, sizeof job_id, "job_none_%d", number);
    CHECK(perceptis_get_status(client, job_id, NULL, &status, NULL) == PERCEPTIS_NOT_FOUND);
    while (atomic_load(&calls) == before) sched_yield();
}

static void end(perceptis_client *client)
{
    MUST(perceptis_client_close(client, 60000, &failed));
    perceptis_client_free(client);
}

static void share(void)
{
    perceptis_config *config = configuration();
    perceptis_client *one = client_of(config), *two = client_of(config), *none = NULL;
    CHECK(log_threads() == 0);
    for (int round = 0; round < 5; round++) {
        ask(one, 2 * round);
        ask(two, 2 * round + 1);
    }
    CHECK(log_threads() == 1);
    end(one);
    int told = atomic_load(&calls);
    CHECK(told >= 10);
    pthread_t thread = atomic_load(&last);
    ask(two, 100);
    end(two);
    CHECK(atomic_load(&calls) >= told + 2 && pthread_equal(atomic_load(&last), thread));

    /* It waits for further clients; one that could not be made is none. */
    CHECK(log_threads() == 1);
    MUST(perceptis_config_set(config, "api_base_url", "http://192.0.2.1", &failed));
    CHECK(perceptis_client_new(config, &none, NULL) == PERCEPTIS_CONFIGURATION);
    MUST(perceptis_config_set(config, "api_base_url", getenv("PERCEPTIS_API_BASE_URL"), &failed));
    one = client_of(config);
    ask(one, 101);
    MUST(perceptis_client_close(one, 60000, &failed));
    CHECK(pthread_equal(atomic_load(&last), thread) && log_threads() == 1);
    perceptis_client_free(one);
    perceptis_config_free(config);
    until_log_threads(0);

    /* The configuration may go first, and a client may be freed without being closed. */
    config = configuration();
    one = client_of(config);
    two = client_of(config);
    perceptis_config_free(config);
    ask(one, 102);
    CHECK(log_threads() == 1);
    perceptis_client_free(one);
    ask(two, 103);
    CHECK(log_threads() == 1);
    end(two);
    until_log_threads(0);
}

static void *ask_on(void *client)
{
    while (!atomic_load(&stop)) {
        perceptis_error *error = NULL;
        char *status = NULL;
        CHECK(perceptis_wait(client, "job_none", NULL, &status, &error) != PERCEPTIS_OK);
        perceptis_error_free(error);
    }
    return NULL;
}

static void fork_often(void)
{
    enum { FORKS = 40 };
    perceptis_config *config = configuration();
    perceptis_client *client = client_of(config);
    pthread_t thread;
    ask(client, 1);
    CHECK(pthread_create(&thread, NULL, ask_on, client) == 0);
    for (int number = 0; number < FORKS; number++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            alarm(60);                /* What hangs is killed, and the parent sees it. */
            atomic_store(&inside, 0); /* The parent's thread may have been in a call. */
            atomic_store(&calls, 0);
            CHECK(perceptis_client_close(client, 0, NULL) == PERCEPTIS_FORKED);
            perceptis_client *one = client_of(config), *two = client_of(config);
            ask(one, 1);
            ask(two, 2);
            CHECK(log_threads() == 1);
            end(one);
            end(two);
            CHECK(atomic_load(&calls) >= 4);
            if (number % 2) perceptis_client_free(client);
            perceptis_config_free(config);
            until_log_threads(0);
            _exit(EXIT_SUCCESS);
        }
        int status = 0;
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
    }
    atomic_store(&stop, 1);
    CHECK(pthread_join(thread, NULL) == 0);
    end(client);
    perceptis_config_free(config);
    until_log_threads(0);
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc == 2) fork_often();
    else share();
    return EXIT_SUCCESS;
}
