/* What recording a submission costs, beside plain SQLite doing the same inserts: ledger DIRECTORY [ROUNDS],
   under `perceptis-sandbox exec`.

   Syncs are counted by standing in for fdatasync and fsync; both sides sync once a commit. Ours are whole
   submissions to the sandbox, so the same with the ledger in memory is subtracted. A submission has three
   commits: before the first byte goes out, after acceptance, and when its caller has been told. */
#define _GNU_SOURCE
#include "measure.h"
#include "service.h"

#include <perceptis.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { AT_ONCE = 8, MAX_ROUNDS = 1000 };

static atomic_long syncs;

int fdatasync(int descriptor)
{
    atomic_fetch_add(&syncs, 1);
    return (int)syscall(SYS_fdatasync, descriptor);
}

int fsync(int descriptor)
{
    atomic_fetch_add(&syncs, 1);
    return (int)syscall(SYS_fsync, descriptor);
}

static size_t rounds = 200;

static perceptis_client *client_with(const char *ledger)
{
    perceptis_config *config = perceptis_config_new();
    perceptis_client *client = NULL;
    CHECK(perceptis_config_set(config, "ledger", ledger, NULL) == PERCEPTIS_OK
              && perceptis_client_new(config, &client, NULL) == PERCEPTIS_OK,
          "no client");
    perceptis_config_free(config);
    return client;
}

static void submit(perceptis_client *client)
{
    perceptis_request *request = NULL;
    perceptis_error *error = NULL;
    char *accepted = NULL;
    CHECK(perceptis_request_new("deck", "What a submission costs", &request, NULL) == PERCEPTIS_OK,
          "no request");
    CHECK(perceptis_generate(client, request, NULL, &accepted, &error) == PERCEPTIS_OK, "%s",
          perceptis_error_message(error));
    perceptis_string_free(accepted);
    perceptis_request_free(request);
}

static void *many(void *client)
{
    for (size_t round = 0; round < rounds; round++) submit(client);
    return NULL;
}

/* Milliseconds a submission, one after the other: the median. */
static double alone(perceptis_client *client, double *synced)
{
    static double took[MAX_ROUNDS];
    submit(client);
    long before = atomic_load(&syncs);
    for (size_t round = 0; round < rounds; round++) {
        double begin = now();
        submit(client);
        took[round] = (now() - begin) * 1e3;
    }
    *synced = (double)(atomic_load(&syncs) - before) / (double)rounds;
    return median(took, rounds);
}

/* Milliseconds a submission, eight at once, and syncs for each group of eight commits. */
static double together(perceptis_client *client, double *synced)
{
    pthread_t threads[AT_ONCE];
    long before = atomic_load(&syncs);
    double begin = now();
    for (int at = 0; at < AT_ONCE; at++) pthread_create(&threads[at], NULL, many, client);
    for (int at = 0; at < AT_ONCE; at++) pthread_join(threads[at], NULL);
    double took = (now() - begin) * 1e3;
    *synced = (double)(atomic_load(&syncs) - before) / (double)rounds;
    return took / (double)(rounds * AT_ONCE);
}

/* Milliseconds an insert of about the same bytes, committed each, in WAL mode with synchronous=FULL. */
static double plain(const char *path, double *synced)
{
    static double took[MAX_ROUNDS];
    sqlite3 *database = NULL;
    sqlite3_stmt *insert = NULL;
    CHECK(
        sqlite3_open(path, &database) == SQLITE_OK
            && sqlite3_exec(
                   database,
                   "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                   "CREATE TABLE submissions (id INTEGER PRIMARY KEY, key TEXT UNIQUE, body BLOB, told TEXT)",
                   NULL, NULL, NULL)
                == SQLITE_OK
            && sqlite3_prepare_v2(database, "INSERT INTO submissions (key, body) VALUES (?1, zeroblob(300))",
                                  -1, &insert, NULL)
                == SQLITE_OK,
        "sqlite: %s", sqlite3_errmsg(database));
    long before = atomic_load(&syncs);
    for (size_t round = 0; round < rounds; round++) {
        double begin = now();
        sqlite3_bind_int64(insert, 1, (sqlite3_int64)round);
        CHECK(sqlite3_step(insert) == SQLITE_DONE, "sqlite: %s", sqlite3_errmsg(database));
        sqlite3_reset(insert);
        took[round] = (now() - begin) * 1e3;
    }
    *synced = (double)(atomic_load(&syncs) - before) / (double)rounds;
    sqlite3_finalize(insert);
    sqlite3_close(database);
    return median(took, rounds);
}

int main(int argc, char **argv)
{
    CHECK(argc > 1, "usage: ledger DIRECTORY [ROUNDS]");
    if (argc > 2) rounds = strtoul(argv[2], NULL, 10);
    CHECK(rounds > 0 && rounds <= MAX_ROUNDS, "ROUNDS is from 1 to %d", MAX_ROUNDS);
    char path[4096];
    double one = 0, group = 0, none = 0, commit = 0;
    snprintf(path, sizeof path, "%s/plain-%ld.db", argv[1], (long)getpid());
    double insert = plain(path, &commit);
    snprintf(path, sizeof path, "%s/ledger-%ld.db", argv[1], (long)getpid());
    perceptis_client *recorded = client_with(path), *off = client_with("off");
    double on_disk = alone(recorded, &one), in_memory = alone(off, &none);
    double on_disk_of_8 = together(recorded, &group), in_memory_of_8 = together(off, &none);
    perceptis_client_free(recorded);
    perceptis_client_free(off);

    printf("\nThe ledger, %zu submissions each, in %s\n\n", rounds, argv[1]);
    printf("| what | time | syncs |\n|---|---|---|\n");
    printf("| plain SQLite, one insert | %.2f ms | %.2f |\n", insert, commit);
    printf("| a submission's three commits, alone | %.2f ms | %.2f |\n", on_disk - in_memory, one);
    printf("| a commit of those, beside the insert | %.2f | %.2f |\n", (on_disk - in_memory) / 3 / insert,
           one / 3 / commit);
    printf("| the three commits, eight submissions at once | %.2f ms each | %.2f a group of eight |\n",
           on_disk_of_8 - in_memory_of_8, group / 3);
    return EXIT_SUCCESS;
}
