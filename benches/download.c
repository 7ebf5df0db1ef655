/* How fast a file is fetched, beside libcurl: download [DIRECTORY [ROUNDS [MEBIBYTES]]]

   Every row asks for the job's state, fetches the file that it names, writes it into the directory, syncs it,
   gives it its final name and syncs the directory. libcurl does so on one thread, in its callback: as its own
   examples have it, with its default buffer and fwrite, and as one would write it for speed, with the largest
   buffer and write(2); where it hashes, with OpenSSL's SHA-256. This library always hashes, and checks a
   .pptx in full; a format that it does not know is checked by its length alone. BENCH_UNHASHED names a build
   of it that does not hash, which is made for this measurement and nothing else. The last row is what the
   machine has to give: receiving and writing on two threads, and nothing else. All rows are run once a round,
   in an order that turns; a ratio is the median of the rounds' ratios of time, above 1 where the row is the
   faster one. */
#define _GNU_SOURCE
#include "deck.h"
#include "file_server.h"
#include "floor.h"
#include "measure.h"
#include "service.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <perceptis.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_ROUNDS = 1000, ROWS = 8, DEFAULT = 16384, LARGE = CURL_MAX_READ_SIZE };

struct row {
    const char *name;
    long buffer;        /* libcurl's; 0: another one */
    int hashes;         /* libcurl */
    const char *format; /* this library: of the file, by which it decides what to check */
    int unhashed;       /* this library: the build that does not hash */
    double took[MAX_ROUNDS], used[MAX_ROUNDS];
};

static struct row rows[ROWS] = {
    {.name = "libcurl, defaults (16 KiB, fwrite)", .buffer = DEFAULT},
    {.name = "libcurl, defaults, SHA-256", .buffer = DEFAULT, .hashes = 1},
    {.name = "libcurl, 512 KiB, write", .buffer = LARGE},
    {.name = "libcurl, 512 KiB, write, SHA-256", .buffer = LARGE, .hashes = 1},
    {.name = "libperceptis, SHA-256, length checked", .format = "bin"},
    {.name = "libperceptis, SHA-256, every CRC checked", .format = "pptx"},
    {.name = "libperceptis, built without the hash", .format = "bin", .unhashed = 1},
    {.name = "receiving and writing alone"},
};

static char base[64];
static int port;
static const char *directory;
static size_t file_size;

static void check_file(const char *path)
{
    struct stat found;
    CHECK(stat(path, &found) == 0 && (size_t)found.st_size == file_size, "%s is not what was asked for",
          path);
    unlink(path);
}

struct sink {
    int file;
    FILE *stream; /* over the same file, for the rows that write so */
    EVP_MD_CTX *digest;
};

static size_t take(char *data, size_t size, size_t count, void *user)
{
    struct sink *sink = user;
    size *= count;
    if (sink->stream != NULL && fwrite(data, 1, size, sink->stream) != size) return 0;
    for (size_t at = 0; sink->stream == NULL && at < size;) {
        ssize_t written = write(sink->file, data + at, size - at);
        if (written < 0) return 0;
        at += (size_t)written;
    }
    if (sink->digest != NULL) EVP_DigestUpdate(sink->digest, data, size);
    return size;
}

/* Gives a file that is synced its name. */
static void put_in_place(const char *part, const char *path)
{
    int folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(rename(part, path) == 0, "%s can't be made", path);
    CHECK(folder >= 0 && fsync(folder) == 0, "%s can't be synced", directory);
    close(folder);
}

static void with_libcurl(CURL *curl, const struct row *row, unsigned number)
{
    char url[256], path[512], part[sizeof path + 8];
    struct text text = {.size = 0};
    unsigned char digest[EVP_MAX_MD_SIZE];
    struct sink sink = {.digest = row->hashes ? EVP_MD_CTX_new() : NULL};
    snprintf(url, sizeof url, "%s/api/v1/status/bin-%u", base, number);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_text);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, (void *)&text);
    CHECK(curl_easy_perform(curl) == CURLE_OK && strstr(text.bytes, "\"/file\"") != NULL,
          "libcurl: no state");

    snprintf(path, sizeof path, "%s/bin-%u.bin", directory, number);
    snprintf(part, sizeof part, "%s.part", path);
    sink.file = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    CHECK(sink.file >= 0, "%s can't be written", part);
    if (row->buffer == DEFAULT) sink.stream = fdopen(sink.file, "w");
    if (sink.digest != NULL) EVP_DigestInit_ex(sink.digest, EVP_sha256(), NULL);
    snprintf(url, sizeof url, "%s/file", base);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &sink);
    CHECK(curl_easy_perform(curl) == CURLE_OK, "libcurl: no file");
    if (sink.digest != NULL) EVP_DigestFinal_ex(sink.digest, digest, NULL);
    EVP_MD_CTX_free(sink.digest);
    int flushed = sink.stream == NULL || fflush(sink.stream) == 0, synced = fsync(sink.file) == 0;
    int closed = (sink.stream != NULL ? fclose(sink.stream) : close(sink.file)) == 0;
    CHECK(flushed && synced && closed, "%s can't be written", part);
    put_in_place(part, path);
}

static void with_nothing_else(unsigned number)
{
    char path[512], part[sizeof path + 8];
    snprintf(path, sizeof path, "%s/bin-%u.bin", directory, number);
    snprintf(part, sizeof part, "%s.part", path);
    int file = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    CHECK(file >= 0, "%s can't be written", part);
    floor_fetch(port, file, file_size);
    CHECK(fsync(file) == 0 && close(file) == 0, "%s can't be written", part);
    put_in_place(part, path);
}

/* One of the two builds of this library, and a client of it. */
struct build {
    __typeof__(&perceptis_config_new) config_new;
    __typeof__(&perceptis_config_set) config_set;
    __typeof__(&perceptis_config_free) config_free;
    __typeof__(&perceptis_options_new) options_new;
    __typeof__(&perceptis_options_set) options_set;
    __typeof__(&perceptis_options_free) options_free;
    __typeof__(&perceptis_client_new) client_new;
    __typeof__(&perceptis_client_free) client_free;
    __typeof__(&perceptis_download) download;
    __typeof__(&perceptis_string_free) string_free;
    __typeof__(&perceptis_error_message) error_message;
    perceptis_options *options;
    perceptis_client *client;
};

static void *function(void *library, const char *name)
{
    void *found = dlsym(library, name);
    CHECK(found != NULL, "%s is not there", name);
    return found;
}

/* Stands within a build as it does in the header. */
#define LOAD(build, library, name) (*(void **)&(build)->name = function(library, "perceptis_" #name))

static void begin(struct build *build, void *library)
{
    LOAD(build, library, config_new);
    LOAD(build, library, config_set);
    LOAD(build, library, config_free);
    LOAD(build, library, options_new);
    LOAD(build, library, options_set);
    LOAD(build, library, options_free);
    LOAD(build, library, client_new);
    LOAD(build, library, client_free);
    LOAD(build, library, download);
    LOAD(build, library, string_free);
    LOAD(build, library, error_message);
    perceptis_error *error = NULL;
    perceptis_config *config = build->config_new();
    build->options = build->options_new();
    CHECK(build->config_set(config, "api_base_url", base, &error) == PERCEPTIS_OK
              && build->config_set(config, "api_key", "sk-live-per-bench", &error) == PERCEPTIS_OK
              && build->options_set(build->options, "directory", directory, &error) == PERCEPTIS_OK
              && build->client_new(config, &build->client, &error) == PERCEPTIS_OK,
          "%s", build->error_message(error));
    build->config_free(config);
}

static void end(struct build *build)
{
    build->client_free(build->client);
    build->options_free(build->options);
}

static void with_libperceptis(struct build *build, const char *format, unsigned number)
{
    char job[64];
    char *result = NULL;
    perceptis_error *error = NULL;
    /* Another job each time: one job is asked about once a second at most. */
    snprintf(job, sizeof job, "%s-%u", format, number);
    CHECK(build->download(build->client, job, build->options, &result, &error) == PERCEPTIS_OK,
          "libperceptis: %s", build->error_message(error));
    build->string_free(result);
}

static double ratio(const struct row *ours, const struct row *theirs, size_t rounds)
{
    double ratios[MAX_ROUNDS];
    for (size_t round = 0; round < rounds; round++) ratios[round] = theirs->took[round] / ours->took[round];
    return median(ratios, rounds);
}

/* What hashing the file costs by itself, in seconds. */
static double hash_alone(const unsigned char *file)
{
    double took[5];
    unsigned char digest[EVP_MAX_MD_SIZE];
    for (size_t round = 0; round < 5; round++) {
        double begun = now();
        EVP_Digest(file, file_size, digest, NULL, EVP_sha256(), NULL);
        took[round] = now() - begun;
    }
    return median(took, 5);
}

int main(int argc, char **argv)
{
    directory = argc > 1 ? argv[1] : ".";
    size_t rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 11;
    size_t mebibytes = argc > 3 ? strtoul(argv[3], NULL, 10) : 256;
    CHECK(rounds > 0 && rounds < MAX_ROUNDS && mebibytes > 0 && mebibytes <= 500, "usage: see the source");
    unsigned char *file = deck_make(mebibytes << 20, &file_size);
    port = file_server_start(file, file_size);
    snprintf(base, sizeof base, "http://127.0.0.1:%d", port);

    curl_global_init(CURL_GLOBAL_DEFAULT);
    static struct build hashed, unhashed;
    begin(&hashed, RTLD_DEFAULT);
    void *library = dlopen(setting("BENCH_UNHASHED"), RTLD_NOW | RTLD_LOCAL);
    CHECK(library != NULL, "%s", dlerror());
    begin(&unhashed, library);
    CURL *handles[ROWS] = {NULL};
    for (size_t at = 0; at < ROWS; at++) {
        if (rows[at].buffer == 0) continue;
        handles[at] = curl_easy_init();
        curl_easy_setopt(handles[at], CURLOPT_NOPROXY, "*");
        curl_easy_setopt(handles[at], CURLOPT_BUFFERSIZE, rows[at].buffer);
    }

    unsigned number = 0;
    /* The first round opens the connections and is not counted. */
    for (size_t round = 0; round <= rounds; round++) {
        for (size_t turn = 0; turn < ROWS; turn++) {
            struct row *row = &rows[(turn + round) % ROWS];
            char path[512];
            number++;
            double begun = now(), used = processor();
            if (row->buffer != 0) with_libcurl(handles[row - rows], row, number);
            else if (row->format != NULL)
                with_libperceptis(row->unhashed ? &unhashed : &hashed, row->format, number);
            else with_nothing_else(number);
            if (round > 0) {
                row->took[round - 1] = now() - begun;
                row->used[round - 1] = processor() - used;
            }
            const char *format = row->format != NULL ? row->format : "bin";
            snprintf(path, sizeof path, "%s/%s-%u.%s", directory, format, number, format);
            check_file(path);
        }
    }

    printf("\n%zu MiB into %s, %zu rounds, libperceptis %s; hashing alone takes %.0f ms\n\n", mebibytes,
           directory, rounds, perceptis_version(), hash_alone(file) * 1e3);
    printf("| %-40s | time    | MiB/s   | processor | against defaults | with hash | 512 KiB | with hash |\n",
           "");
    printf("|------------------------------------------|---------|---------|-----------|------------------|"
           "-----------|---------|-----------|\n");
    for (size_t at = 0; at < ROWS; at++) {
        double took[MAX_ROUNDS], used[MAX_ROUNDS];
        memcpy(took, rows[at].took, sizeof took);
        memcpy(used, rows[at].used, sizeof used);
        double middle = median(took, rounds);
        printf("| %-40s | %4.0f ms | %7.0f | %6.0f ms |", rows[at].name, middle * 1e3,
               (double)mebibytes / middle, median(used, rounds) * 1e3);
        printf(" %16.2f | %9.2f | %7.2f | %9.2f |\n", ratio(&rows[at], &rows[0], rounds),
               ratio(&rows[at], &rows[1], rounds), ratio(&rows[at], &rows[2], rounds),
               ratio(&rows[at], &rows[3], rounds));
    }
    for (size_t at = 0; at < ROWS; at++) curl_easy_cleanup(handles[at]);
    end(&hashed);
    end(&unhashed);
    free(file);
    return EXIT_SUCCESS;
}
