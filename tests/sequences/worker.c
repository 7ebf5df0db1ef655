/* The process under test: a program on the shared library that does what it is told, a command a line.

   A command is a verb and words `name=value` (percent-encoded); each answer is one line of JSON. Calls end in
   one of three ways: `form=queue` takes the final event and frees it at once, `form=keep` leaves it in the
   queue until `take` and keeps it until `free`, `form=block` is the blocking function on a thread of its own.
   SEQUENCES_LIBRARY names the library, SEQUENCES_COPY a copy of it for clients made with `copy=1`. The
   program ends when its input does. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include "library.h"
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_WORDS 40
#define MAX_CLIENTS 8
#define MAX_KEPT 64
#define MAX_LINE 16384

struct client {
    struct library *in;
    perceptis_client *handle;
};

/* An event that was taken and is not freed. */
struct kept {
    unsigned long id;
    struct library *in;
    perceptis_event *event;
};

struct words {
    const char *names[MAX_WORDS], *values[MAX_WORDS];
    size_t count;
};

/* A call on its way, with a copy of its command. */
struct call {
    struct client *client;
    unsigned long id;
    char line[MAX_LINE];
    struct words words;
};

static struct client clients[MAX_CLIENTS];
static struct kept kept[MAX_KEPT];
static pthread_mutex_t saying = PTHREAD_MUTEX_INITIALIZER;

/* ---- the way in and out ---- */

/* Splits a line in place. */
static struct words split(char *line)
{
    struct words words = {.count = 0};
    char *rest = NULL;
    for (char *word = strtok_r(line, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        char *value = strchr(word, '='), *to;
        if (words.count == MAX_WORDS) die("too many words");
        if (value != NULL) *value++ = 0;
        for (char *from = to = value; from != NULL && *from; to++) {
            char digits[3] = {from[0] == '%' ? from[1] : 0, from[0] == '%' && from[1] ? from[2] : 0, 0};
            *to = digits[1] ? (char)strtol(digits, NULL, 16) : *from;
            from += digits[1] ? 3 : 1;
        }
        if (value != NULL) *to = 0;
        words.names[words.count] = word;
        words.values[words.count++] = value;
    }
    return words;
}

static const char *word(const struct words *words, const char *name)
{
    for (size_t i = 1; i < words->count; i++)
        if (strcmp(words->names[i], name) == 0) return words->values[i];
    return NULL;
}

static unsigned long number(const struct words *words, const char *name)
{
    const char *value = word(words, name);
    return value != NULL ? strtoul(value, NULL, 10) : 0;
}

/* A text as JSON; JSON of the library's goes out as it is. */
static void quote(FILE *to, const char *text)
{
    fputc('"', to);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') fprintf(to, "\\%c", *text);
        else if ((unsigned char)*text < 0x20) fprintf(to, "\\u%04x", (unsigned)*text);
        else fputc(*text, to);
    }
    fputc('"', to);
}

/* One line out. */
static void say(const char *what, unsigned long id, const char *code, const char *json, const char *message,
                const char *details)
{
    char *line = NULL;
    size_t length = 0;
    FILE *to = open_memstream(&line, &length);
    if (to == NULL) die("memory");
    fprintf(to, "{\"what\":\"%s\",\"id\":%lu,\"code\":\"%s\",\"json\":%s,\"details\":%s,\"message\":", what,
            id, code, json != NULL && *json ? json : "null", details != NULL && *details ? details : "null");
    quote(to, message != NULL ? message : "");
    fputs("}\n", to);
    fclose(to);
    pthread_mutex_lock(&saying);
    for (size_t sent = 0; sent < length;) {
        ssize_t went = write(STDOUT_FILENO, line + sent, length - sent);
        if (went < 0 && errno != EINTR) _exit(0);
        sent += went > 0 ? (size_t)went : 0;
    }
    pthread_mutex_unlock(&saying);
    free(line);
}

static void say_error(struct library *in, const char *what, unsigned long id, perceptis_code code,
                      const char *json, const perceptis_error *error)
{
    say(what, id, in->code_name(code), json, error != NULL ? in->error_message(error) : "",
        error != NULL ? in->error_details(error) : NULL);
}

/* ---- calls ---- */

/* Sets what the words with this prefix name. */
static perceptis_code set_all(const struct words *words, const char *prefix, void *on,
                              perceptis_code (*set)(void *, const char *, const char *, perceptis_error **),
                              perceptis_error **error)
{
    perceptis_code code = PERCEPTIS_OK;
    for (size_t i = 1; i < words->count && code == PERCEPTIS_OK; i++)
        if (strncmp(words->names[i], prefix, 2) == 0)
            code = set(on, words->names[i] + 2, words->values[i], error);
    return code;
}

typedef perceptis_code (*setter)(void *, const char *, const char *, perceptis_error **);

static void new_client(const struct words *words)
{
    struct client *client = &clients[number(words, "c") % MAX_CLIENTS];
    struct library *in = library(number(words, "copy") % 2);
    perceptis_error *error = NULL;
    perceptis_config *config = in->config_new();
    perceptis_code code = set_all(words, "k.", config, (setter)in->config_set, &error);
    /* What a later library knows is set where it is known. */
    for (size_t i = 1; i < words->count; i++)
        if (strncmp(words->names[i], "n.", 2) == 0)
            in->config_set(config, words->names[i] + 2, words->values[i], NULL);
    client->in = in;
    if (code == PERCEPTIS_OK) code = in->client_new(config, &client->handle, &error);
    in->config_free(config);
    say_error(in, "client", number(words, "c"), code, NULL, error);
    in->error_free(error);
}

static perceptis_code make_request(struct library *in, const struct words *words, perceptis_request **request,
                                   perceptis_error **error)
{
    const char *type = word(words, "type"), *variants = word(words, "variants");
    if (type == NULL) return PERCEPTIS_OK;
    perceptis_code code = in->request_new(type, word(words, "prompt"), request, error);
    if (code == PERCEPTIS_OK && variants != NULL)
        code = in->request_set(*request, "variant_count", variants, error);
    return code;
}

/* The call in its form that blocks. */
static perceptis_code block(struct client *client, const char *operation, const struct words *words,
                            perceptis_request *request, perceptis_options *options, char **json,
                            perceptis_error **error)
{
    struct library *in = client->in;
    const char *job = word(words, "job");
    if (strcmp(operation, "run") == 0) return in->run(client->handle, request, options, json, error);
    if (strcmp(operation, "generate") == 0)
        return in->generate(client->handle, request, options, json, error);
    if (strcmp(operation, "wait") == 0) return in->wait(client->handle, job, options, json, error);
    if (strcmp(operation, "download") == 0) return in->download(client->handle, job, options, json, error);
    if (strcmp(operation, "get_status") == 0)
        return in->get_status(client->handle, job, options, json, error);
    if (strcmp(operation, "recover") == 0) return in->recover(client->handle, options, json, error);
    if (strcmp(operation, "jobs") == 0) return in->jobs(client->handle, options, json, error);
    if (strcmp(operation, "forget") == 0) return in->forget(client->handle, word(words, "job_or_key"), error);
    die("an unknown operation");
    return PERCEPTIS_INTERNAL;
}

static void *on_thread(void *argument)
{
    struct call *call = argument;
    struct library *in = call->client->in;
    perceptis_request *request = NULL;
    perceptis_options *options = in->options_new();
    perceptis_error *error = NULL;
    char *json = NULL;
    perceptis_code code = make_request(in, &call->words, &request, &error);
    if (code == PERCEPTIS_OK) code = set_all(&call->words, "o.", options, (setter)in->options_set, &error);
    if (code == PERCEPTIS_OK)
        code = block(call->client, word(&call->words, "op"), &call->words, request, options, &json, &error);
    say_error(in, "end", call->id, code, json, error);
    in->string_free(json);
    in->error_free(error);
    in->request_free(request);
    in->options_free(options);
    free(call);
    return NULL;
}

/* The call in its form that ends in a queue. */
static perceptis_code begin(struct client *client, perceptis_queue *queue, const struct words *words,
                            perceptis_error **error)
{
    struct library *in = client->in;
    const char *operation = word(words, "op"), *job = word(words, "job");
    unsigned long id = number(words, "id");
    perceptis_request *request = NULL;
    perceptis_options *options = in->options_new();
    perceptis_code code = make_request(in, words, &request, error);
    if (code == PERCEPTIS_OK) code = set_all(words, "o.", options, (setter)in->options_set, error);
    if (code != PERCEPTIS_OK) {
    } else if (strcmp(operation, "run") == 0) {
        code = in->run_async(client->handle, request, options, queue, id, error);
    } else if (strcmp(operation, "generate") == 0) {
        code = in->generate_async(client->handle, request, options, queue, id, error);
    } else if (strcmp(operation, "wait") == 0) {
        code = in->wait_async(client->handle, job, options, queue, id, error);
    } else if (strcmp(operation, "download") == 0) {
        code = in->download_async(client->handle, job, options, queue, id, error);
    } else if (strcmp(operation, "get_status") == 0) {
        code = in->get_status_async(client->handle, job, options, queue, id, error);
    } else if (strcmp(operation, "recover") == 0) {
        code = in->recover_async(client->handle, options, queue, id, error);
    } else {
        die("an unknown operation");
    }
    in->request_free(request);
    in->options_free(options);
    return code;
}

static void call(const struct words *words, const char *line)
{
    struct client *client = &clients[number(words, "c") % MAX_CLIENTS];
    struct library *in = client->in;
    const char *form = word(words, "form");
    unsigned long id = number(words, "id");
    if (client->handle == NULL) {
        say("end", id, "CLOSED", NULL, "there is no such client", NULL);
        return;
    }
    if (strcmp(form, "block") == 0) {
        struct call *copy = calloc(1, sizeof *copy);
        pthread_t thread;
        if (copy == NULL) die("memory");
        snprintf(copy->line, sizeof copy->line, "%s", line);
        copy->client = client;
        copy->id = id;
        copy->words = split(copy->line);
        if (pthread_create(&thread, NULL, on_thread, copy) != 0) die("no thread");
        pthread_detach(thread);
        return;
    }
    perceptis_error *error = NULL;
    perceptis_code code = begin(client, in->queues[strcmp(form, "keep") == 0], words, &error);
    if (code != PERCEPTIS_OK) say_error(in, "end", id, code, NULL, error);
    in->error_free(error);
}

/* ---- events ---- */

static void set_free(size_t which)
{
    struct kept taken = kept[which];
    kept[which].event = NULL;
    taken.in->event_free(taken.event);
    say("freed", taken.id, "OK", NULL, NULL, NULL);
}

/* Takes what waits in a queue. With `now` the events are freed at once. */
static void take(struct library *in, perceptis_queue *queue, int now)
{
    perceptis_event *events[16];
    size_t count = 0;
    if (queue == NULL || in->queue_take(queue, events, 16, 0, &count, NULL) != PERCEPTIS_OK) return;
    for (size_t i = 0; i < count; i++) {
        size_t place = 0;
        if (in->event_kind(events[i]) != PERCEPTIS_EVENT_FINISHED) {
            say("progress", in->event_tag(events[i]), "OK", in->event_json(events[i]), NULL, NULL);
            in->event_free(events[i]);
            continue;
        }
        while (place < MAX_KEPT && kept[place].event != NULL) place++;
        if (place == MAX_KEPT) die("too many events are kept");
        kept[place] = (struct kept){in->event_tag(events[i]), in, events[i]};
        say_error(in, "end", kept[place].id, in->event_code(events[i]), in->event_json(events[i]),
                  in->event_error(events[i]));
        if (now) set_free(place);
    }
}

static void cancel(unsigned long id)
{
    for (size_t which = 0; which < 4; which++) {
        struct library *in = &libraries[which / 2];
        if (in->queues[which % 2] != NULL) in->queue_cancel(in->queues[which % 2], id, NULL);
    }
}

/* ---- processes ---- */

/* The child is a worker of its own behind a socket; of the parent's handles it uses none. With `raw` it comes
   by _Fork, which runs no handlers; where the C library has none, by fork. */
static void fork_worker(const struct words *words)
{
    const char *path = word(words, "socket");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    pthread_mutex_lock(&saying);
    pid_t (*raw)(void) = NULL;
    if (number(words, "raw") != 0) *(void **)&raw = dlsym(RTLD_DEFAULT, "_Fork");
    pid_t child = raw != NULL ? raw() : fork();
    if (child == 0) {
        pthread_mutex_init(&saying, NULL);
        memset(clients, 0, sizeof clients);
        memset(kept, 0, sizeof kept);
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) die("no socket");
        dup2(fd, STDIN_FILENO);
        dup2(fd, STDOUT_FILENO);
        close(fd);
        for (size_t which = 0; which < 2; which++)
            for (size_t i = 0; i < 2 && libraries[which].config_new != NULL; i++)
                if (libraries[which].queue_new(&libraries[which].queues[i], NULL) != PERCEPTIS_OK)
                    die("no queue");
        say("child", (unsigned long)getpid(), "OK", NULL, NULL, NULL);
        return;
    }
    pthread_mutex_unlock(&saying);
    if (child < 0) die("no fork");
}

/* Opens, reads and closes every file beside the ledger, as a backup inside the program would. */
static void touch(const char *directory)
{
    DIR *all = opendir(directory);
    struct dirent *entry;
    char path[1024], buffer[4096];
    while (all != NULL && (entry = readdir(all)) != NULL) {
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        if (entry->d_type == DT_DIR) {
            touch(path);
            continue;
        }
        int fd = open(path, O_RDWR | O_CLOEXEC);
        while (fd >= 0 && read(fd, buffer, sizeof buffer) > 0) {}
        if (fd >= 0) close(fd);
    }
    if (all != NULL) closedir(all);
}

static void close_all(void)
{
    for (size_t i = 0; i < MAX_CLIENTS; i++) {
        struct client *client = &clients[i];
        if (client->handle == NULL) continue;
        perceptis_error *error = NULL;
        perceptis_code code = client->in->client_close(client->handle, 2000, &error);
        say_error(client->in, "closed", i, code, NULL, error);
        client->in->error_free(error);
        client->in->client_free(client->handle);
        client->handle = NULL;
    }
}

static void look(void)
{
    for (size_t i = 0; i < MAX_CLIENTS; i++) {
        char *activity = NULL;
        if (clients[i].handle == NULL) continue;
        if (clients[i].in->client_activity(clients[i].handle, &activity, NULL) == PERCEPTIS_OK)
            say("activity", i, "OK", activity, NULL, NULL);
        clients[i].in->string_free(activity);
    }
    say("looked", 0, "OK", NULL, NULL, NULL);
}

/* ---- the loop ---- */

static void obey(char *line)
{
    char copy[MAX_LINE];
    snprintf(copy, sizeof copy, "%s", line);
    struct words words = split(line);
    const char *verb = words.count > 0 ? words.names[0] : "";
    if (strcmp(verb, "client") == 0) new_client(&words);
    else if (strcmp(verb, "call") == 0) call(&words, copy);
    else if (strcmp(verb, "cancel") == 0) cancel(number(&words, "id"));
    else if (strcmp(verb, "take") == 0)
        for (size_t i = 0; i < 2; i++) take(&libraries[i], libraries[i].queues[1], 0);
    else if (strcmp(verb, "free") == 0) {
        for (size_t i = 0; i < MAX_KEPT; i++)
            if (kept[i].event != NULL && kept[i].id == number(&words, "id")) set_free(i);
    } else if (strcmp(verb, "drop") == 0) {
        for (size_t i = 0; i < 2; i++) {
            if (libraries[i].queues[1] == NULL) continue;
            libraries[i].queue_free(libraries[i].queues[1]);
            if (libraries[i].queue_new(&libraries[i].queues[1], NULL) != PERCEPTIS_OK) die("no queue");
        }
    } else if (strcmp(verb, "look") == 0) look();
    else if (strcmp(verb, "fork") == 0) fork_worker(&words);
    else if (strcmp(verb, "touch") == 0) touch(word(&words, "directory"));
    else if (strcmp(verb, "close") == 0) close_all();
    else die("an unknown command");
    if (strcmp(verb, "look") != 0 && strcmp(verb, "fork") != 0) say("done", 0, "OK", NULL, NULL, NULL);
}

int main(void)
{
    static char buffer[MAX_LINE];
    size_t filled = 0;
    signal(SIGCHLD, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    library(0);
    for (;;) {
        struct pollfd waits[3] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = -1}, {.fd = -1}};
        for (size_t i = 0; i < 2; i++)
            if (libraries[i].queues[0] != NULL)
                waits[i + 1] = (struct pollfd){.fd = libraries[i].queue_fd(libraries[i].queues[0]),
                                               .events = POLLIN};
        if (poll(waits, 3, -1) < 0 && errno != EINTR) die("poll");
        for (size_t i = 0; i < 2; i++)
            if (waits[i + 1].revents) take(&libraries[i], libraries[i].queues[0], 1);
        if (!waits[0].revents) continue;
        ssize_t came = read(STDIN_FILENO, buffer + filled, sizeof buffer - filled - 1);
        if (came <= 0) break;
        filled += (size_t)came;
        for (char *end; (end = memchr(buffer, '\n', filled)) != NULL;) {
            char line[MAX_LINE];
            size_t length = (size_t)(end - buffer);
            memcpy(line, buffer, length);
            line[length] = 0;
            filled -= length + 1;
            memmove(buffer, end + 1, filled);
            obey(line);
        }
    }
    close_all();
    return EXIT_SUCCESS;
}
