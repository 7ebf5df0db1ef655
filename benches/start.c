/* How long it takes from nothing to the first answer, beside libcurl: start [ROUNDS], under
   `perceptis-sandbox exec`

   Each time is a new process of this program, which is linked against neither library: it loads one, makes a
   client, asks for a job's state, and tells how long that took from the first line of main. Over https
   libcurl is measured twice: trusting the sandbox's authority alone, and trusting the system's as well, which
   is what this library does. */
#define _GNU_SOURCE
#include "measure.h"
#include "service.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <perceptis.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_ROUNDS = 1000, SIDES = 3 };

/* Where Debian, Fedora, Alpine and SUSE keep the certificates that the system trusts, in one file. */
static const char *const bundles[] = {"/etc/ssl/certs/ca-certificates.crt",
                                      "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem",
                                      "/etc/ssl/ca-bundle.pem"};

static void *load(const char *name)
{
    void *library = dlopen(name, RTLD_LAZY | RTLD_LOCAL);
    CHECK(library != NULL, "%s", dlerror());
    return library;
}

/* As POSIX has it: ISO C knows no way from the one kind of pointer to the other. */
#define FUNCTION(library, name) \
    __typeof__(&name) p_##name; \
    *(void **)&p_##name = dlsym(library, #name)

/* Prints how long it took, and how long making the client did. */
static void libperceptis_child(const char *job)
{
    double begun = now();
    void *library = load("libperceptis.so.0");
    FUNCTION(library, perceptis_client_new);
    FUNCTION(library, perceptis_get_status);
    FUNCTION(library, perceptis_error_message);
    perceptis_client *client = NULL;
    perceptis_error *error = NULL;
    char *answer = NULL;
    double making = now();
    perceptis_code code = p_perceptis_client_new(NULL, &client, &error);
    double made = now();
    if (code == PERCEPTIS_OK) code = p_perceptis_get_status(client, job, NULL, &answer, &error);
    double done = now();
    CHECK(code == PERCEPTIS_OK, "libperceptis: %s", p_perceptis_error_message(error));
    printf("%.9f %.9f\n", done - begun, made - making);
}

#undef curl_easy_setopt
static void libcurl_child(const char *job, const char *ca_file)
{
    char url[256], authorization[256];
    double begun = now();
    void *library = load("libcurl.so.4");
    FUNCTION(library, curl_global_init);
    FUNCTION(library, curl_easy_init);
    FUNCTION(library, curl_easy_setopt);
    FUNCTION(library, curl_easy_perform);
    FUNCTION(library, curl_slist_append);
    struct text text = {.size = 0};
    double making = now();
    p_curl_global_init(CURL_GLOBAL_DEFAULT);
    CURL *curl = p_curl_easy_init();
    snprintf(url, sizeof url, "%s/api/v1/status/%s", setting("PERCEPTIS_API_BASE_URL"), job);
    snprintf(authorization, sizeof authorization, "Authorization: Bearer %s", setting("PERCEPTIS_API_KEY"));
    p_curl_easy_setopt(curl, CURLOPT_URL, url);
    p_curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    p_curl_easy_setopt(curl, CURLOPT_HTTPHEADER, p_curl_slist_append(NULL, authorization));
    p_curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_text);
    p_curl_easy_setopt(curl, CURLOPT_WRITEDATA, &text);
    if (*ca_file != '\0') p_curl_easy_setopt(curl, CURLOPT_CAINFO, ca_file);
    double made = now();
    CURLcode code = p_curl_easy_perform(curl);
    double done = now();
    CHECK(code == CURLE_OK && strstr(text.bytes, job) != NULL, "libcurl: no answer (%d)", (int)code);
    printf("%.9f %.9f\n", done - begun, made - making);
}

/* Runs this program anew and reads what it prints. */
static void measure(char *const *arguments, double *took, double *made)
{
    extern char **environ;
    int ends[2], status;
    pid_t child;
    char line[128] = "";
    posix_spawn_file_actions_t actions;
    CHECK(pipe(ends) == 0, "no pipe");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    CHECK(posix_spawn(&child, "/proc/self/exe", &actions, NULL, arguments, environ) == 0, "no process");
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    FILE *output = fdopen(ends[0], "r");
    CHECK(output != NULL, "no output");
    char *got = fgets(line, sizeof line, output);
    fclose(output);
    CHECK(waitpid(child, &status, 0) == child && status == 0 && got != NULL
              && sscanf(line, "%lf %lf", took, made) == 2,
          "a measurement failed");
}

/* Appends the whole of a file to another one. */
static void append(FILE *to, FILE *from, const char *name)
{
    char bytes[65536];
    size_t count;
    do {
        count = fread(bytes, 1, sizeof bytes, from);
        CHECK(!ferror(from) && fwrite(bytes, 1, count, to) == count, "%s can't be copied", name);
    } while (count == sizeof bytes);
    fclose(from);
}

/* A file with the system's certificates and this one, as libcurl wants them; the caller removes it. */
static void write_bundle(const char *ca_file, char *path)
{
    FILE *from = NULL, *to = fdopen(mkstemp(path), "w");
    for (size_t at = 0; from == NULL && at < sizeof bundles / sizeof *bundles; at++)
        from = fopen(bundles[at], "r");
    CHECK(from != NULL && to != NULL, "no certificates of the system");
    append(to, from, "the system's certificates");
    from = fopen(ca_file, "r");
    CHECK(from != NULL, "%s can't be read", ca_file);
    append(to, from, ca_file);
    CHECK(fclose(to) == 0, "%s can't be written", path);
}

int main(int argc, char **argv)
{
    if (argc == 3) libperceptis_child(argv[2]);
    if (argc == 4) libcurl_child(argv[2], argv[3]);
    if (argc > 2) return EXIT_SUCCESS;

    static double took[SIDES][MAX_ROUNDS], made[SIDES][MAX_ROUNDS];
    static const char *const names[SIDES] = {"libcurl", "libcurl, with the system's CAs", "libperceptis"};
    size_t rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 40;
    CHECK(rounds > 0 && rounds < MAX_ROUNDS, "usage: see the source");
    char bundle[] = "/tmp/perceptis-bench-XXXXXX", job[64];
    char *ca_file = getenv("PERCEPTIS_CA_FILE");
    if (ca_file != NULL) write_bundle(ca_file, bundle);

    void *library = load("libperceptis.so.0");
    FUNCTION(library, perceptis_client_new);
    FUNCTION(library, perceptis_request_new);
    FUNCTION(library, perceptis_generate);
    FUNCTION(library, perceptis_json_get);
    FUNCTION(library, perceptis_string_free);
    perceptis_client *client = NULL;
    perceptis_request *request = NULL;
    CHECK(p_perceptis_client_new(NULL, &client, NULL) == PERCEPTIS_OK
              && p_perceptis_request_new("deck", "a", &request, NULL) == PERCEPTIS_OK,
          "no client");
    for (size_t round = 0; round < rounds; round++) {
        for (size_t turn = 0; turn < SIDES; turn++) {
            size_t side = (round + turn) % SIDES;
            char *accepted = NULL;
            if (side == 1 && ca_file == NULL) continue;
            CHECK(p_perceptis_generate(client, request, NULL, &accepted, NULL) == PERCEPTIS_OK, "no job");
            char *job_id = p_perceptis_json_get(accepted, "/job_id");
            snprintf(job, sizeof job, "%s", job_id);
            p_perceptis_string_free(job_id);
            p_perceptis_string_free(accepted);
            char *theirs = side == 1 ? bundle : ca_file != NULL ? ca_file : (char[]){""};
            char *const of_libcurl[] = {argv[0], "libcurl", job, theirs, NULL};
            char *const of_libperceptis[] = {argv[0], "libperceptis", job, NULL};
            measure(side == 2 ? of_libperceptis : of_libcurl, &took[side][round], &made[side][round]);
        }
    }
    if (ca_file != NULL) unlink(bundle);

    printf("\nFrom nothing to the first answer, %s: %zu starts\n\n", ca_file != NULL ? "https" : "http",
           rounds);
    printf("| %-30s | load, client, answer | of these the client | libperceptis / it |\n", "");
    printf("|--------------------------------|----------------------|---------------------|"
           "-------------------|\n");
    for (size_t side = 0; side < SIDES; side++) {
        double ratios[MAX_ROUNDS];
        if (side == 1 && ca_file == NULL) continue;
        for (size_t round = 0; round < rounds; round++) ratios[round] = took[2][round] / took[side][round];
        printf("| %-30s | %17.2f ms | %16.3f ms | %17.2f |\n", names[side], median(took[side], rounds) * 1e3,
               median(made[side], rounds) * 1e3, median(ratios, rounds));
    }
    return EXIT_SUCCESS;
}
