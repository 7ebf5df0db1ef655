/* Texts of two gigabytes, in a process that has no room for a copy: each function refuses them, names the
   argument and its limit, and quotes nothing of the text. */
#define _GNU_SOURCE
#include "check.h"
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

static const size_t SIZE = (size_t)2 << 30;
static const size_t PIECE = (size_t)16 << 20;

/* Many views of one small file, so that the text takes room and no memory. Its last byte is a NUL. */
static char *huge_text(void)
{
    int file = memfd_create("text", MFD_CLOEXEC);
    CHECK(file >= 0 && ftruncate(file, (off_t)PIECE) == 0);
    char *piece = mmap(NULL, PIECE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    CHECK(piece != MAP_FAILED);
    memset(piece, 'x', PIECE);
    CHECK(munmap(piece, PIECE) == 0);
    char *text = mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(text != MAP_FAILED);
    for (size_t at = 0; at < SIZE; at += PIECE)
        CHECK(mmap(text + at, PIECE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, file, 0) == text + at);
    text[SIZE - 1] = '\0';
    close(file);
    return text;
}

/* A call that is refused for the length of this argument. `error` is the place for its error. */
#define TOO_LONG(argument, limit, call)                                                              \
    do {                                                                                             \
        perceptis_error *error = NULL;                                                               \
        const char *expected = "argument " argument " is longer than " limit;                        \
        perceptis_code code = (call);                                                                \
        const char *message = perceptis_error_message(error);                                        \
        if (strstr(message, expected) != message) fprintf(stderr, "%s: %.90s\n", argument, message); \
        CHECK(code == PERCEPTIS_INVALID_ARGUMENT && strstr(message, expected) == message);           \
        CHECK(strstr(message, "xx") == NULL && strlen(message) < 200);                               \
        perceptis_error_free(error);                                                                 \
    } while (0)

int main(void)
{
    char *huge = huge_text(), *text = NULL;
    perceptis_config *config = perceptis_config_new();
    perceptis_options *options = perceptis_options_new(), *other_options = NULL;
    perceptis_client *client = NULL;
    perceptis_queue *queue = NULL;
    perceptis_request *request = NULL, *other = NULL;
    /* Room for the text and three quarters of it again. */
    struct rlimit limit = {SIZE / 4 * 7, SIZE / 4 * 7};
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    CHECK(mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
    MUST(perceptis_client_new(NULL, &client, &failed));
    MUST(perceptis_queue_new(&queue, &failed));
    MUST(perceptis_request_new("single_slide", "Huge", &request, &failed));

    TOO_LONG("key", "512 bytes", perceptis_config_set(config, huge, "1", &error));
    TOO_LONG("value", "4095 bytes", perceptis_config_set(config, "ca_file", huge, &error));
    TOO_LONG("value", "4095 bytes", perceptis_config_set(config, "api_key", huge, &error));
    TOO_LONG("key", "512 bytes", perceptis_options_set(options, huge, "1", &error));
    TOO_LONG("value", "4095 bytes", perceptis_options_set(options, "directory", huge, &error));
    TOO_LONG("json", "1048576 bytes (1 MiB)", perceptis_options_from_json(huge, &other_options, &error));

    TOO_LONG("output_type", "512 bytes", perceptis_request_new(huge, "p", &other, &error));
    TOO_LONG("prompt", "67108864 bytes (64 MiB)", perceptis_request_new("deck", huge, &other, &error));
    TOO_LONG("json", "67108864 bytes (64 MiB)", perceptis_request_from_json(huge, &other, &error));
    TOO_LONG("field", "512 bytes", perceptis_request_set(request, huge, "1", &error));
    TOO_LONG("value", "67108864 bytes (64 MiB)", perceptis_request_set(request, "prompt", huge, &error));
    TOO_LONG("field", "512 bytes", perceptis_request_set_json(request, huge, "1", &error));
    TOO_LONG("json", "67108864 bytes (64 MiB)", perceptis_request_set_json(request, "notes", huge, &error));
    TOO_LONG("data", "20000000 bytes (20 MB)",
             perceptis_request_add_image(request, huge, SIZE, "image/png", &error));
    TOO_LONG("mime_type", "512 bytes", perceptis_request_add_image(request, "x", 1, huge, &error));
    TOO_LONG("path", "4095 bytes", perceptis_request_add_image_file(request, huge, &error));

    TOO_LONG("job_id", "200 bytes", perceptis_get_status(client, huge, NULL, &text, &error));
    TOO_LONG("job_id", "200 bytes", perceptis_wait(client, huge, NULL, &text, &error));
    TOO_LONG("job_id", "200 bytes", perceptis_download(client, huge, NULL, &text, &error));
    TOO_LONG("job_id", "200 bytes", perceptis_get_status_async(client, huge, NULL, queue, 1, &error));
    TOO_LONG("job_id", "200 bytes", perceptis_wait_async(client, huge, NULL, queue, 1, &error));
    TOO_LONG("job_id", "200 bytes", perceptis_download_async(client, huge, NULL, queue, 1, &error));
    TOO_LONG("job_or_key", "512 bytes", perceptis_forget(client, huge, &error));
    CHECK(perceptis_json_get(huge, "/a") == NULL && perceptis_json_get("{\"a\":1}", huge) == NULL);

    /* All of it goes on with what is left of the memory. */
    CHECK(other == NULL && other_options == NULL && text == NULL);
    CHECK(perceptis_get_status(client, "job_none", NULL, &text, NULL) == PERCEPTIS_NOT_FOUND);
    perceptis_queue_free(queue);
    perceptis_client_free(client);
    perceptis_request_free(request);
    perceptis_options_free(options);
    perceptis_config_free(config);
    return EXIT_SUCCESS;
}
