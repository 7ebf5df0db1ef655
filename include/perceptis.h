/* libperceptis: a prompt in, a .pptx on disk, and no deck lost or bought twice on the way.

   Generated from the sources: do not edit.

   The sections, in reading order: the library, configuration, clients, requests, options, calls
   that block, calls that end in a queue, queues and events, the ledger, errors, JSON. A program
   that makes one deck needs perceptis_client_new, perceptis_request_new and perceptis_run. The
   examples include this header, <stdio.h> and <string.h>; tests/header.rs compiles and runs all of
   them.

   Ownership: what a function returns as non-const is the caller's, and has one function that frees
   it, which accepts NULL. What a function returns as const is borrowed from its argument. All text
   is UTF-8 and ends with a NUL.

   Limits, in bytes without the NUL: 512 for keys, field names, types and names of jobs (200 for a
   job id); 4,095 for values of keys, paths and JSON pointers; 67,108,864 (64 MiB) for prompts,
   values of fields and JSON; 1,048,576 (1 MiB) for options as JSON. A longer text is
   INVALID_ARGUMENT, and the library reads no more of it than the limit.

   Errors: functions return a perceptis_code. A last argument perceptis_error **error, where it is
   not NULL, is set to NULL on entry, and on failure to an error, which the caller frees. Results
   are set to NULL on entry. The library never reads *result or *error.

   Threads: clients and queues may be used from any thread, and errors and events may be read from
   any thread. Every other handle has one owner. The library writes nothing to stdout or stderr and
   installs no signal handler.

   Handles: to use a freed handle, or a handle of another kind, is a fault of the program and
   undefined. Where the library can see the fault, the answer is INVALID_ARGUMENT, functions without
   an error argument answer as for NULL, and a second free does nothing. The library knows a freed
   handle as such until 256 other handles of its kind have been freed.

   Forks: a fork waits at most 100 ms for a write to the ledger that is under way. In the child,
   handles from before the fork answer FORKED and can be freed, and the program can make new ones.
   The same holds in a child of _Fork or of clone, which run no fork handlers.

   Signals: the library's threads block all signals, so that no handler of the program ever runs on
   them. A program that ends its main thread with pthread_exit must keep another thread that does
   not block signals: where only the library's threads are left, SIGTERM stays pending and ends
   nothing.

   Cancellation: no function is a cancellation point. pthread_cancel takes effect after the call
   that the thread is in, also where the call waits. perceptis_queue_close wakes a thread that waits
   in perceptis_queue_take. Asynchronous cancelability (PTHREAD_CANCEL_ASYNCHRONOUS) must be off
   during a call. A callback must return: it must not end by longjmp, pthread_exit or an exception.

   Linking: the shared library stays loaded once it is, since its threads and its fork handlers do.
   A shared object that the static library is linked into has to stay loaded, too: link it with
   -Wl,-z,nodelete.

   "Since" names the version of the ABI, PERCEPTIS_ABI_MAJOR.PERCEPTIS_ABI_MINOR, that brought a
   function or a type.
*/

#ifndef PERCEPTIS_H
#define PERCEPTIS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- The library: its versions, its handles and its codes ----

   A program that loads the library at run time checks the version of the ABI before other calls.
   The handles and the type of codes stand here, since all sections use them.

   Example:

       int library_fits(void)
       {
           uint32_t version = perceptis_abi_version();
           return version >> 16 == PERCEPTIS_ABI_MAJOR
               && (version & 0xffff) >= PERCEPTIS_ABI_MINOR;
       }
 */

/* The version of the library that this header came with. */
#define PERCEPTIS_VERSION_MAJOR 0
#define PERCEPTIS_VERSION_MINOR 1
#define PERCEPTIS_VERSION_PATCH 0
#define PERCEPTIS_VERSION "0.1.0"

/**
 * The major version of the C ABI: programs built against another one can't use this library.
 */
#define PERCEPTIS_ABI_MAJOR 0

/**
 * The minor version of the C ABI: it grows when something is added.
 */
#define PERCEPTIS_ABI_MINOR 3

/**
 * The library's version, such as "0.1.0".
 *
 * Static, not to be freed. Any thread; does not block. Since 0.1.
 */
const char *perceptis_version(void);

/**
 * The version of the C ABI that this library has: `major << 16 | minor`. A program works with it
 * when the major is the `PERCEPTIS_ABI_MAJOR` that it was built with and the minor is at least its
 * `PERCEPTIS_ABI_MINOR`.
 *
 * Any thread; does not block. Since 0.1.
 */
uint32_t perceptis_abi_version(void);

/**
 * What a function returns: `PERCEPTIS_OK` or one of the other `PERCEPTIS_*` codes. The numbers
 * never change. New codes get new numbers, so a program must accept codes that it does not know.
 * Since 0.1.
 */
typedef int32_t perceptis_code;

/**
 * A configuration: what a client is made from. It has one owner: two threads must not use it at
 * once. Since 0.1.
 */
typedef struct perceptis_config perceptis_config;

/**
 * A client of the service with one API key. Any number of threads may use it at once. After a fork
 * it belongs to the parent: in the child every call answers `FORKED`, and the child can make a new
 * client. Since 0.1.
 */
typedef struct perceptis_client perceptis_client;

/**
 * A request: what the service is asked to make. It has one owner: two threads must not use it at
 * once. Since 0.1.
 */
typedef struct perceptis_request perceptis_request;

/**
 * The options of a call. They have one owner: two threads must not use them at once. Since 0.1.
 */
typedef struct perceptis_options perceptis_options;

/**
 * A queue: where calls that do not block end. `perceptis_*_async` puts calls in,
 * `perceptis_queue_take` gives their events out. It serves event loops, by its descriptor, and
 * programs with threads of their own. Calls of any number of clients may share a queue, and any
 * number of threads may use it at once. After a fork it belongs to the parent: in the child every
 * call answers `FORKED`, and the child can make a new queue. Since 0.2.
 */
typedef struct perceptis_queue perceptis_queue;

/**
 * An event that came out of a queue. It never changes. Any thread may read it, and it may be moved
 * from one thread to another. Since 0.2.
 */
typedef struct perceptis_event perceptis_event;

/**
 * An error: a code, a message for people, and details for programs. It never changes. Any thread
 * may read it, and it may be moved from one thread to another. Since 0.1.
 */
typedef struct perceptis_error perceptis_error;

/* ---- Configuration: what a client is made from ----

   A program sets the keys that it needs, makes a client, and frees the configuration. A key that is
   not set comes from the environment, as PERCEPTIS_API_KEY does, or has its default.

   Example:

       perceptis_config *configure(void)
       {
           perceptis_config *config = perceptis_config_new();
           perceptis_error *error = NULL;
           if (perceptis_config_set(config, "app_name", "reports", &error) != PERCEPTIS_OK) {
               fprintf(stderr, "%s\n", perceptis_error_message(error));
               perceptis_error_free(error);
           }
           return config;
       }
 */

/**
 * Takes a log record: a JSON object that is valid during the call. The library calls it on a thread
 * of its own, with no lock held, and for the clients of one configuration never twice at once. The
 * function may not call the functions of this header that block. It must return: it must not end by
 * `longjmp`, `pthread_exit` or an exception. Since 0.2.
 */
typedef void (*perceptis_log_function)(void *user, const char *record_json);

/**
 * Makes a configuration in which no key is set.
 *
 * Never NULL. The caller owns it and frees it with `perceptis_config_free`. Any thread; does not
 * block. Since 0.1.
 */
perceptis_config *perceptis_config_new(void);

/**
 * Sets a key from text; the last value wins. A key that is not set is taken from the environment
 * variable `PERCEPTIS_<KEY>` when a client is made; without that, the default in brackets holds.
 * Durations are in milliseconds.
 *
 * - `api_key`: the API key; needed, here or in the environment
 * - `api_base_url`: the service's URL: scheme, host and port only [https://app.perceptis.ai]
 * - `app_name`: put before the library's name in the User-Agent
 * - `ca_file`: certificates in PEM form, trusted besides the system's
 * - `client_cert_file`: the certificate that is shown to a host that asks for one, with those that
 *   lead to its authority, in PEM form; together with `client_key_file`, or not at all
 * - `client_key_file`: the private key of that certificate, not encrypted, in PEM form
 * - `allow_http`: `true` to use plain http to another machine [false]
 * - `connect_timeout_ms`: how long one attempt may take to connect; 1 to 604800000 [5000]
 * - `submit_timeout_ms`: how long one attempt to submit may take; 1 to 604800000 [60000]
 * - `status_timeout_ms`: how long one poll may take; 1 to 604800000 [15000]
 * - `download_idle_timeout_ms`: how long a download may bring nothing; 1 to 604800000 [30000]
 * - `poll_first_ms`: the shortest distance between two polls of a job; 1000 to 3600000 [2000]
 * - `poll_max_ms`: the longest distance between two polls of a job. No distance is longer than 15 %
 *   of the job's age either, so that the end of a job is seen within 15 % of the time that it took,
 *   or `poll_first_ms` where that is longer; 1000 to 3600000 [10000]
 * - `resubmit_window_ms`: how long after its first attempt a submission in doubt is repeated
 *   without a question to the caller; 0 to 604800000 [3600000]
 * - `adopt_window_ms`: how long an equal call is given what another call settled for it, such as
 *   `perceptis_recover`; after that it buys a new job, and the `note` of its result names the
 *   earlier deck; 0 to 31536000000 [86400000]
 * - `max_concurrent_submissions`: how many submissions of this client are on their way at once; 1
 *   to 64 [8]
 * - `max_file_bytes`: the largest file that is fetched; 1 to 4294967296 [536870912]
 * - `log_level`: what is logged, where a log is set; `error`, `warning`, `info`, `debug` [info]
 * - `ledger`: the path of the file in which submissions are recorded before they are sent, so that
 *   the death of the process costs nothing; or `off`: in memory, for the life of the client
 *   [$XDG_STATE_HOME/perceptis/ledger.db, or the same in $HOME/.local/state]
 * - `time_scale`: divides every duration; with a base URL on this machine only; 1 to 10000 [1]
 * - `jitter_seed`: makes the random parts of waiting times the same in each run of a test; with a
 *   base URL on this machine only. Idempotency keys are random with it, too; 0 to
 *   9223372036854775807 [the operating system's randomness]
 *
 * Errors: `INVALID_ARGUMENT` (NULL, too long, not UTF-8, an unknown key, a bad value: the message
 * lists what is accepted), `CONFIGURATION` (a base URL with a path, query, user info or another
 * scheme). The texts are copied. Any thread; does not block. Since 0.1.
 */
perceptis_code perceptis_config_set(perceptis_config *config,
                                    const char *key,
                                    const char *value,
                                    perceptis_error **error);

/**
 * Sets the function that takes the log records of clients made from this configuration, and the
 * `user` that it is called with. NULL: no log.
 *
 * A record is a JSON object with `unix_ms`, `level`, `event` ("started", "request", "retrying",
 * "poll failed", "wait bounded", "outcome unknown", "adopted", "status", "finished", "failed",
 * "stopped", "unsettled", "not recorded") and, where they apply, `operation`, `job_id`,
 * `idempotency_key`, `request` ("generate", "status", "download"), `attempt`, `outcome`,
 * `http_status`, `took_ms`, `wait_ms`, `asked_ms`, `code`, `billed`, `message`. More keys may be
 * added. A record has neither the API key nor the query of a URL. At most 1,024 records wait for a
 * slow callback. Then the oldest are dropped, and the next record says how many in `dropped`.
 *
 * The library calls the function on one thread for all clients made from this configuration, never
 * twice at once, with no lock held. The function may not call what blocks (`WOULD_DEADLOCK`).
 * `perceptis_client_close` waits, within its time, until the function has taken the records of that
 * client; once it has returned OK, no call with such a record begins or is in progress.
 * `perceptis_client_free` does not wait for a call in progress. `user` is the caller's and must
 * stay valid until all these clients are closed. A second call of this function is for the clients
 * that are made afterwards; their callback may run beside that of the earlier clients. A fork's
 * child may make clients from the configuration, too: they have a thread of the child's. Errors:
 * `INVALID_ARGUMENT`. Any thread; does not block. Since 0.2.
 */
perceptis_code perceptis_config_set_log(perceptis_config *config,
                                        perceptis_log_function log,
                                        void *user,
                                        perceptis_error **error);

/**
 * Sets the queue that gets the log records of clients made from this configuration, as events of
 * the kind `PERCEPTIS_EVENT_LOG` with the record as their JSON. NULL: no log. So the library calls
 * nothing on a thread of its own. At most 1,024 records wait; then the oldest are dropped, and an
 * event says how many. The records are those of `perceptis_config_set_log`, which this replaces,
 * and none comes after `perceptis_client_close`.
 *
 * The queue stays the caller's, who may free it before the client. Errors: `INVALID_ARGUMENT`,
 * `FORKED`. Any thread; does not block. Since 0.2.
 */
perceptis_code perceptis_config_set_log_queue(perceptis_config *config,
                                              perceptis_queue *queue,
                                              perceptis_error **error);

/**
 * Frees a configuration. Clients made from it are not touched. NULL is accepted.
 *
 * Any thread; does not block. Since 0.1.
 */
void perceptis_config_free(perceptis_config *config);

/* ---- Clients: connections, threads and running calls of one API key ----

   A program makes one client, uses it from all its threads, and closes it at the end. Most programs
   need no configuration: NULL takes all keys from the environment.

   Example:

       perceptis_client *open_client(perceptis_config *config)
       {
           perceptis_client *client = NULL;
           perceptis_error *error = NULL;
           if (perceptis_client_new(config, &client, &error) != PERCEPTIS_OK) {
               fprintf(stderr, "%s\n", perceptis_error_message(error));
               perceptis_error_free(error);
           }
           perceptis_config_free(config);
           return client;
       }
 */

/**
 * Makes a client from a configuration, which is copied; NULL: from the environment and the
 * defaults. It opens no connection and starts no thread: the first operation does that.
 *
 * This function reads the environment, and no later call does, so that a program may change it at
 * any other time: the variables `PERCEPTIS_<KEY>`; for proxies those of curl, `https_proxy`,
 * `http_proxy`, `all_proxy`, `no_proxy`, where the lower case comes first; `SSL_CERT_FILE` and
 * `SSL_CERT_DIR`; `HOME` and `XDG_STATE_HOME`. The one exception is the resolver of the C library:
 * glibc before 2.41 can read `LOCALDOMAIN`, `RES_OPTIONS` and `HOSTALIASES` when it looks up a host
 * name other than localhost, as in any program that calls getaddrinfo(3). From glibc 2.41 on,
 * setenv(3) is safe beside that. The scheme of a proxy is http, https, socks5, socks5h, socks4 or
 * socks4a. The library never reaches this machine through a proxy.
 *
 * On success the caller owns `*client` and frees it with `perceptis_client_free`. Errors:
 * `INVALID_ARGUMENT`, `CONFIGURATION` (no API key, plain http to another machine, a CA file that
 * can't be read, a bad environment variable: the message names it). Any thread; blocks only to read
 * `ca_file`. Since 0.1.
 */
perceptis_code perceptis_client_new(const perceptis_config *config,
                                    perceptis_client **client,
                                    perceptis_error **error);

/**
 * Lists the operations that run in this client now, the oldest first, without a question to the
 * service: `{"operations": [{"operation", "phase", "job_id", "status", "idempotency_key",
 * "elapsed_ms", "eta_ms", "eta_low_ms", "eta_high_ms", "eta_jobs"}]}`. What is not known is null. A
 * program can show it as a line of state while another thread waits.
 *
 * `phase` is "preparing", "submitting", "waiting" or "downloading". `eta_ms`, `eta_low_ms` and
 * `eta_high_ms` say in how many milliseconds the job is likely to be done, at the earliest and at
 * the latest. `eta_jobs` says how many jobs of its kind that estimate stands on, which this client
 * or earlier processes with the same ledger saw done; 0: on the documentation of the service.
 *
 * On success the caller owns `*activity` and frees it with `perceptis_string_free`. Errors:
 * `INVALID_ARGUMENT`, `FORKED`. Any thread; does not block. Since 0.1.
 */
perceptis_code perceptis_client_activity(perceptis_client *client,
                                         char **activity,
                                         perceptis_error **error);

/**
 * Ends the operations that run, each with `CLOSED` and all that is known of its job, and waits
 * until they have ended, at most `timeout_ms` milliseconds of the wall's time (0 to a week). Their
 * final events are in their queues by then. Steps that the ledger does not have yet are written,
 * for at most 2 s of that time. Jobs go on at the service. Every later operation answers `CLOSED`.
 * A second close does nothing.
 *
 * The handle stays the caller's, who frees it. Errors: `INVALID_ARGUMENT`, `TIMEOUT` (operations
 * have not ended and are dropped all the same, or the message says how many steps the ledger could
 * not take), `FORKED`, `WOULD_DEADLOCK`. Any thread; blocks. Since 0.1.
 */
perceptis_code perceptis_client_close(perceptis_client *client,
                                      int64_t timeout_ms,
                                      perceptis_error **error);

/**
 * Frees a client. Operations that run end with `CLOSED`, those of queues a moment later; their jobs
 * go on at the service. The program may free queues before or after. NULL is accepted.
 *
 * Any thread, also in a callback; does not block. Since 0.1.
 */
void perceptis_client_free(perceptis_client *client);

/* ---- Requests: what the service is asked to make ----

   A request has a type, a prompt and optional fields, and can be used for many calls. Nothing is
   sent before a call uses it.

   Example:

       perceptis_request *slide_about(const char *prompt)
       {
           perceptis_request *request = NULL;
           perceptis_error *error = NULL;
           perceptis_code code = perceptis_request_new("single_slide", prompt, &request, &error);
           if (code == PERCEPTIS_OK) {
               code = perceptis_request_set(request, "use_web_search", "true", &error);
           }
           if (code != PERCEPTIS_OK) {
               fprintf(stderr, "%s\n", perceptis_error_message(error));
               perceptis_error_free(error);
               perceptis_request_free(request);
               request = NULL;
           }
           return request;
       }
 */

/**
 * Makes a request for `output_type` "single_slide" or "deck" from a prompt.
 *
 * On success the caller owns `*request` and frees it with `perceptis_request_free`. Errors:
 * `INVALID_ARGUMENT` (NULL, too long, not UTF-8, another type, an empty prompt). Any thread; does
 * not block. Since 0.1.
 */
perceptis_code perceptis_request_new(const char *output_type,
                                     const char *prompt,
                                     perceptis_request **request,
                                     perceptis_error **error);

/**
 * Sets a documented field from text: `output_type`, `prompt`, `template_name`, `variant_count` (a
 * decimal number, with `single_slide` only), `use_web_search` and `use_knowledge_base` (`true` or
 * `false`).
 *
 * Errors: `INVALID_ARGUMENT` (NULL, too long, not UTF-8, another field, a bad value: the message
 * lists what is accepted). The texts are copied. Any thread; does not block. Since 0.1.
 */
perceptis_code perceptis_request_set(perceptis_request *request,
                                     const char *field,
                                     const char *value,
                                     perceptis_error **error);

/**
 * Sets any field from JSON, also a field that this library does not know; `null` removes a field.
 * The documented fields are checked for their type.
 *
 * The value is kept in its canonical form, as `perceptis_request_to_json` shows it. A value without
 * a canonical form is refused: a name that occurs twice in one object, an escape that is half of a
 * surrogate pair, more than 128 arrays and objects within one another.
 *
 * Errors: `INVALID_ARGUMENT` (NULL, too long, not UTF-8, not JSON, without a canonical form, a
 * value of the wrong type, more than 64 MiB in all). The texts are copied. Any thread; does not
 * block. Since 0.1.
 */
perceptis_code perceptis_request_set_json(perceptis_request *request,
                                          const char *field,
                                          const char *json,
                                          perceptis_error **error);

/**
 * Adds a reference image of `size` bytes (with `single_slide` only): PNG, JPEG, GIF, WebP, BMP or
 * TIFF, at most 20 MB. `mime_type` is its type, such as "image/png", and is checked against the
 * first bytes.
 *
 * Errors: `INVALID_ARGUMENT` (NULL, too long or large, not UTF-8, no image, another type). The
 * bytes are copied. Any thread; does not block. Since 0.1.
 */
perceptis_code perceptis_request_add_image(perceptis_request *request,
                                           const void *data,
                                           size_t size,
                                           const char *mime_type,
                                           perceptis_error **error);

/**
 * Adds a reference image from a file; its type is found by its first bytes. Otherwise as
 * `perceptis_request_add_image`.
 *
 * Errors: `INVALID_ARGUMENT` as there, `FILE` (it can't be read). Any thread; blocks on the disk.
 * Since 0.1.
 */
perceptis_code perceptis_request_add_image_file(perceptis_request *request,
                                                const char *path,
                                                perceptis_error **error);

/**
 * Makes a request from a JSON object with the service's own field names, known and unknown. Values
 * are accepted as `perceptis_request_set_json` accepts them.
 *
 * On success the caller owns `*request` and frees it with `perceptis_request_free`. Errors:
 * `INVALID_ARGUMENT` (NULL, not UTF-8, not an object, without a canonical form, a value of the
 * wrong type, fields that do not go together, more than 64 MiB). Any thread; does not block. Since
 * 0.1.
 */
perceptis_code perceptis_request_from_json(const char *json,
                                           perceptis_request **request,
                                           perceptis_error **error);

/**
 * The body as it is sent and recorded: a JSON object in the canonical form of RFC 8785, but with
 * numbers as they were given. At any depth, names are in the order of their UTF-16 code units.
 * There is no white space. Of the ways to write a character the RFC's is used. So the same request
 * is the same bytes, however the program made it.
 *
 * On success the caller owns `*json` and frees it with `perceptis_string_free`. Errors:
 * `INVALID_ARGUMENT` (NULL, fields that do not go together, more than 64 MiB). Any thread; does not
 * block. Since 0.1.
 */
perceptis_code perceptis_request_to_json(const perceptis_request *request,
                                         char **json,
                                         perceptis_error **error);

/**
 * Frees a request. NULL is accepted.
 *
 * Any thread; does not block. Since 0.1.
 */
void perceptis_request_free(perceptis_request *request);

/* ---- Options: how one call is made ----

   Options say where files go, how long a call may take, and what it may do. Every call accepts
   NULL in the place of options.

   Example:

       perceptis_options *options_for(const char *directory)
       {
           perceptis_options *options = perceptis_options_new();
           perceptis_error *error = NULL;
           perceptis_code code = perceptis_options_set(options, "directory", directory, &error);
           if (code == PERCEPTIS_OK) {
               code = perceptis_options_set(options, "timeout_ms", "1800000", &error);
           }
           if (code != PERCEPTIS_OK) {
               fprintf(stderr, "%s\n", perceptis_error_message(error));
               perceptis_error_free(error);
               perceptis_options_free(options);
               options = NULL;
           }
           return options;
       }
 */

/**
 * Makes options in which nothing is set.
 *
 * Never NULL. The caller owns them and frees them with `perceptis_options_free`. Any thread; does
 * not block. Since 0.1.
 */
perceptis_options *perceptis_options_new(void);

/**
 * Sets an option from text; the last value wins. A call ignores the options that do not concern it.
 *
 * - `timeout_ms`: the deadline of the whole call; 1 to 604800000 [get_status: 1 minute; generate:
 *   10; run: 30 for a slide, 45 for a deck; wait: 45; download: 60]
 * - `directory`: where files go; must exist [the working directory]
 * - `name`: the files' name without its ending, without separators [the job's id]
 * - `overwrite`: `true` to replace the presentation that has that name when the call begins; a file
 *   that is written meanwhile stays, and the new file goes beside it, as `<name>-<job_id>.pptx`
 *   [false: such a file is an error before anything is submitted]
 * - `idempotency_key`: 1 to 255 visible ASCII characters; the same key with the same request is the
 *   same job, however often it is submitted [a random one]
 * - `resubmit`: `true` to repeat a submission in doubt even after `resubmit_window_ms`, when the
 *   service may have forgotten its key and may bill a second job [false]
 * - `adopt`: `off` to buy a new job even where the program of an equal call (operation, request,
 *   directory, name) was not told OK and that call is over, or its process gone; `on`, `off` [on:
 *   that call's submission is continued]
 * - `on_other_key`: `submit` to buy a new job where the idempotency key is known under another API
 *   key, or an equal call under another API key is not settled; `refuse`, `submit` [refuse]
 * - `progress`: `true` to get an event whenever the phase of the call or the status of its job has
 *   changed; for calls that end in a queue, since 0.2 [false]
 * - `job`: a job id or an idempotency key; for `perceptis_jobs` and `perceptis_recover`
 * - `state`: how far the submission has come; for `perceptis_jobs`; `submitting`, `accepted`,
 *   `completed`, `settled`, `failed`, `refused`
 * - `unsettled`: `true` for what is left to do, `false` for the rest; for `perceptis_jobs`
 * - `max_age_ms`: how long ago the last change of a submission may be; for `perceptis_jobs`; 1 to
 *   3153600000000
 * - `limit`: how many submissions are listed at most; for `perceptis_jobs`; 1 to 10000 [1000]
 * - `history`: `true` to list each call of a submission, too; for `perceptis_jobs` [false]
 *
 * Errors: `INVALID_ARGUMENT` (NULL, too long, not UTF-8, an unknown option, a bad value: the
 * message lists what is accepted). The texts are copied. Any thread; does not block. Since 0.1.
 */
perceptis_code perceptis_options_set(perceptis_options *options,
                                     const char *key,
                                     const char *value,
                                     perceptis_error **error);

/**
 * Makes options from a JSON object, such as `{"directory": "out", "timeout_ms": 60000}`. The keys
 * are those of `perceptis_options_set`, the values text, numbers or booleans; `null` leaves an
 * option unset.
 *
 * On success the caller owns `*options` and frees it with `perceptis_options_free`. Errors:
 * `INVALID_ARGUMENT`. Any thread; does not block. Since 0.1.
 */
perceptis_code perceptis_options_from_json(const char *json,
                                           perceptis_options **options,
                                           perceptis_error **error);

/**
 * Frees options. NULL is accepted.
 *
 * Any thread; does not block. Since 0.1.
 */
void perceptis_options_free(perceptis_options *options);

/* ---- Calls that block: they return when the operation has ended ----

   perceptis_run does all of it: it submits the request, waits for the job and brings the files. The
   other calls are its steps, for programs that take the steps apart.

   Example:

       perceptis_code make(perceptis_client *client, const perceptis_request *request,
                           const perceptis_options *options)
       {
           char *result = NULL;
           perceptis_error *error = NULL;
           perceptis_code code = perceptis_run(client, request, options, &result, &error);
           if (code == PERCEPTIS_OK) {
               char *path = perceptis_json_get(result, "/files/0/path");
               printf("%s\n", path);
               perceptis_string_free(path);
           } else {
               fprintf(stderr, "%s\n", perceptis_error_message(error));
           }
           perceptis_string_free(result);
           perceptis_error_free(error);
           return code;
       }
 */

/**
 * Makes what a request asks for and puts it on disk: submits the request, waits for the job and
 * fetches its files. `{"job_id", "status", "output_type", "idempotency_key", "billed", "adopted",
 * "recorded", "unsettled", "note", "files": [{"path", "variant", "format", "size", "sha256",
 * "note"}], "unverified", "job"}`. Before it submits anything it checks the directory and the names
 * and reserves the names, since a job costs money.
 *
 * `billed` is "no", "yes" or "unknown". `adopted`: whether this call continues the submission of an
 * equal call. `recorded`: whether the ledger has all of it. `unsettled`: how many submissions wait
 * for `perceptis_recover`. `note`, of the result or of a file, is there only where the caller
 * should know more, as that a name was taken. `files`: paths are absolute, sizes in bytes, SHA-256
 * in hexadecimal. `unverified` is there only with `INCOMPLETE`: the files that came damaged, with
 * the same keys. `job` is the last answer of the service, unchanged; null where the ledger and the
 * disk knew all.
 *
 * Never submits twice: attempts are repeated under one idempotency key. When the call ends early,
 * the details of the error say what is known: `job_id` to wait for, or `idempotency_key` to submit
 * again with, and `billed`. The same call again continues with the job, also in another process.
 * Errors: `LEDGER` (the ledger can't be used; nothing was sent), `CONFLICT` (the key is known for
 * another request or under another API key), those of `perceptis_generate`, `perceptis_wait` and
 * `perceptis_download`. The caller owns `*result` and frees it with `perceptis_string_free`.
 * `options` may be NULL. Any thread; blocks. Since 0.1.
 */
perceptis_code perceptis_run(perceptis_client *client,
                             const perceptis_request *request,
                             const perceptis_options *options,
                             char **result,
                             perceptis_error **error);

/**
 * Submits a request and returns once the service has accepted it: `{"job_id", "idempotency_key",
 * "output_type", "billed", "adopted", "recorded", "unsettled", "note", "answer"}`. `answer` is the
 * service's own, unchanged; null where nothing had to be sent. The other keys are those of
 * `perceptis_run`. The job goes on at the service, which bills it when it is delivered.
 *
 * Never submits twice: attempts are repeated under one idempotency key. On success the caller owns
 * `*accepted` and frees it with `perceptis_string_free`. Errors: `INVALID_ARGUMENT`,
 * `UNAUTHENTICATED`, `NOT_ELIGIBLE`, `NOT_FOUND`, `CONFLICT`, `REJECTED`, `RATE_LIMITED`,
 * `TRANSPORT` (with all of these nothing was billed), `OUTCOME_UNKNOWN` (a job may exist: the
 * `idempotency_key` of the details settles it), `TIMEOUT`, `CONFIGURATION`, `CLOSED`, `FORKED`,
 * `WOULD_DEADLOCK`, `INTERNAL`. `options` may be NULL. Any thread; blocks. Since 0.1.
 */
perceptis_code perceptis_generate(perceptis_client *client,
                                  const perceptis_request *request,
                                  const perceptis_options *options,
                                  char **accepted,
                                  perceptis_error **error);

/**
 * Waits until a job is completed and returns the last answer of the service, unchanged. Outages,
 * answers that can't be read, and limits do not end the wait; only the end of the job, a refusal of
 * the API key, "not found" and the deadline do. A completed job without files is polled five more
 * times first. Costs nothing.
 *
 * On success the caller owns `*status` and frees it with `perceptis_string_free`. Errors:
 * `INVALID_ARGUMENT`, `UNAUTHENTICATED`, `NOT_ELIGIBLE`, `NOT_FOUND`, `JOB_FAILED`, `TIMEOUT` (the
 * job goes on: wait again), `CONFIGURATION`, `CLOSED`, `FORKED`, `WOULD_DEADLOCK`, `INTERNAL`.
 * `options` may be NULL. Any thread; blocks. Since 0.1.
 */
perceptis_code perceptis_wait(perceptis_client *client,
                              const char *job_id,
                              const perceptis_options *options,
                              char **status,
                              perceptis_error **error);

/**
 * Fetches the files of a completed job into `directory`, verified (length, zip checksums, a
 * presentation inside). Each file appears under its final name at once or not at all. The result is
 * that of `perceptis_run`: `{"job_id", "status", "output_type", "idempotency_key", "billed",
 * "adopted", "recorded", "unsettled", "note", "files": [{"path", "variant", "format", "size",
 * "sha256", "note"}], "unverified", "job"}`. Costs nothing.
 *
 * With `INCOMPLETE` both `*result` and `*error` are set: `files` has what came whole, `unverified`
 * what came damaged. A file that has come in part stays as `<name>.<job_id>.part`, and a later call
 * continues it. Each different file that came damaged stays as `<name>.unverified`, with a number
 * from the second on. The caller owns `*result` and frees it with `perceptis_string_free`. Errors:
 * `INVALID_ARGUMENT`, `UNAUTHENTICATED`, `NOT_ELIGIBLE`, `NOT_FOUND`, `CONFLICT`, `REJECTED`,
 * `RATE_LIMITED`, `SERVER`, `TRANSPORT`, `PROTOCOL`, `TIMEOUT`, `JOB_FAILED`, `INCOMPLETE`, `FILE`,
 * `CONFIGURATION`, `CLOSED`, `FORKED`, `WOULD_DEADLOCK`, `INTERNAL`. `options` may be NULL. Any
 * thread; blocks. Since 0.1.
 */
perceptis_code perceptis_download(perceptis_client *client,
                                  const char *job_id,
                                  const perceptis_options *options,
                                  char **result,
                                  perceptis_error **error);

/**
 * Asks once for the state of a job and returns the answer of the service, unchanged. Passing
 * failures (a lost connection, 429, 5xx) are retried within `timeout_ms`. A job is asked about at
 * most once a second, so a second call within the second waits its turn. Costs nothing.
 *
 * Runs on the calling thread, which needs 128 KiB of stack for it; where several threads call at
 * once, all but one of the calls run on the client's own thread. Signal handlers of the program may
 * run meanwhile and end nothing; SIGPIPE is not raised.
 *
 * On success the caller owns `*status` and frees it with `perceptis_string_free`. Errors:
 * `INVALID_ARGUMENT`, `UNAUTHENTICATED`, `NOT_ELIGIBLE`, `NOT_FOUND`, `CONFLICT`, `REJECTED`,
 * `RATE_LIMITED`, `SERVER`, `TRANSPORT`, `PROTOCOL`, `TIMEOUT`, `CONFIGURATION`, `CLOSED`,
 * `FORKED`, `WOULD_DEADLOCK`, `INTERNAL`. `options` may be NULL. Any thread; blocks. Since 0.1.
 */
perceptis_code perceptis_get_status(perceptis_client *client,
                                    const char *job_id,
                                    const perceptis_options *options,
                                    char **status,
                                    perceptis_error **error);

/* ---- Calls that end in a queue: they return at once ----

   Each call has a tag that the program chooses, and its end is an event with that tag. So one
   thread can have thousands of calls under way.

   Example:

       perceptis_queue *start(perceptis_client *client, const perceptis_request *request,
                              const perceptis_options *options, uint64_t tag)
       {
           perceptis_queue *queue = NULL;
           perceptis_error *error = NULL;
           perceptis_code code = perceptis_queue_new(&queue, &error);
           if (code == PERCEPTIS_OK) {
               code = perceptis_run_async(client, request, options, queue, tag, &error);
           }
           if (code != PERCEPTIS_OK) {
               fprintf(stderr, "%s\n", perceptis_error_message(error));
               perceptis_error_free(error);
               perceptis_queue_free(queue);
               queue = NULL;
           }
           return queue;
       }
 */

/**
 * `perceptis_run` that returns at once and ends in a queue.
 *
 * With `PERCEPTIS_OK` the call is accepted. Exactly one event `PERCEPTIS_EVENT_FINISHED` with `tag`
 * comes out of `queue`, whatever happens, possibly before this function returns. It has the code,
 * the result and the error that the form that blocks would have had. With any other code nothing
 * was sent and no event comes. `tag` is the program's name for the call, unique among the calls of
 * the queue whose final event has not been taken. With the option `progress` there are also events
 * `PERCEPTIS_EVENT_PROGRESS`, of which only the latest waits, and none after the final event.
 *
 * The arguments are copied: the program may free client, queue, request and options while the call
 * runs. Errors: `INVALID_ARGUMENT` (NULL, not UTF-8, a tag in use), `CLOSED` (the client or the
 * queue), `FORKED`, `INTERNAL`. `options` may be NULL. Any thread, also in a callback; does not
 * block. Since 0.2.
 */
perceptis_code perceptis_run_async(perceptis_client *client,
                                   const perceptis_request *request,
                                   const perceptis_options *options,
                                   perceptis_queue *queue,
                                   uint64_t tag,
                                   perceptis_error **error);

/**
 * `perceptis_generate` that returns at once and ends in a queue. All else is as
 * `perceptis_run_async` says: what it returns, `tag`, events, ownership, errors. Any thread, also
 * in a callback; does not block. Since 0.2.
 */
perceptis_code perceptis_generate_async(perceptis_client *client,
                                        const perceptis_request *request,
                                        const perceptis_options *options,
                                        perceptis_queue *queue,
                                        uint64_t tag,
                                        perceptis_error **error);

/**
 * `perceptis_wait` that returns at once and ends in a queue. All else is as `perceptis_run_async`
 * says: what it returns, `tag`, events, ownership, errors. Any thread, also in a callback; does not
 * block. Since 0.2.
 */
perceptis_code perceptis_wait_async(perceptis_client *client,
                                    const char *job_id,
                                    const perceptis_options *options,
                                    perceptis_queue *queue,
                                    uint64_t tag,
                                    perceptis_error **error);

/**
 * `perceptis_download` that returns at once and ends in a queue. All else is as
 * `perceptis_run_async` says: what it returns, `tag`, events, ownership, errors. Any thread, also
 * in a callback; does not block. Since 0.2.
 */
perceptis_code perceptis_download_async(perceptis_client *client,
                                        const char *job_id,
                                        const perceptis_options *options,
                                        perceptis_queue *queue,
                                        uint64_t tag,
                                        perceptis_error **error);

/**
 * `perceptis_get_status` that returns at once and ends in a queue. All else is as
 * `perceptis_run_async` says: what it returns, `tag`, events, ownership, errors. Any thread, also
 * in a callback; does not block. Since 0.2.
 */
perceptis_code perceptis_get_status_async(perceptis_client *client,
                                          const char *job_id,
                                          const perceptis_options *options,
                                          perceptis_queue *queue,
                                          uint64_t tag,
                                          perceptis_error **error);

/**
 * `perceptis_recover` that returns at once and ends in a queue. All else is as
 * `perceptis_run_async` says: what it returns, `tag`, events, ownership, errors. Any thread, also
 * in a callback; does not block. Since 0.2.
 */
perceptis_code perceptis_recover_async(perceptis_client *client,
                                       const perceptis_options *options,
                                       perceptis_queue *queue,
                                       uint64_t tag,
                                       perceptis_error **error);

/* ---- Queues and events: where the ends of calls are taken ----

   A thread waits in perceptis_queue_take, or an event loop watches the descriptor of the queue and
   takes without waiting. A program frees a final event once it has stored the end.

   Example:

       perceptis_code finish(perceptis_queue *queue)
       {
           perceptis_code code = PERCEPTIS_OK;
           int ended = 0;
           while (!ended && code == PERCEPTIS_OK) {
               perceptis_event *event = NULL;
               size_t taken = 0;
               code = perceptis_queue_take(queue, &event, 1, -1, &taken, NULL);
               if (perceptis_event_kind(event) == PERCEPTIS_EVENT_FINISHED) {
                   ended = 1;
                   code = perceptis_event_code(event);
                   printf("call %d ended: %s\n", (int)perceptis_event_tag(event),
                          perceptis_event_json(event));
               }
               perceptis_event_free(event);
           }
           perceptis_queue_free(queue);
           return code;
       }
 */

/**
 * The wakeup of a queue. The library calls it with the `user` that was set beside it, on a thread
 * that it must not block for long. Since 0.2.
 */
typedef void (*perceptis_wakeup_function)(void *user);

/**
 * The release of a wakeup. The library calls it once, with the `user` that was set beside it, when
 * it calls the wakeup no more: `perceptis_queue_set_wakeup_with_release` says on which thread,
 * which the function must not block for long. Since 0.3.
 */
typedef void (*perceptis_release_function)(void *user);

/**
 * Makes a queue.
 *
 * On success the caller owns `*queue` and frees it with `perceptis_queue_free`. Errors:
 * `INVALID_ARGUMENT`, `INTERNAL` (the process has no descriptors left). Any thread; does not block.
 * Since 0.2.
 */
perceptis_code perceptis_queue_new(perceptis_queue **queue, perceptis_error **error);

/**
 * Takes up to `capacity` events into `events` and says in `*taken` how many. Where no event waits,
 * `timeout_ms` says how long this waits for one: 0 not at all, -1 until one comes, otherwise at
 * most so many milliseconds of the wall's time (up to a week). If none comes within the time, that
 * is no error, and `*taken` is 0. The ends of calls come first, then progress, then the log. An
 * event or `perceptis_queue_close` wakes a thread that waits here; neither a signal nor
 * `pthread_cancel` ends the wait.
 *
 * The caller owns each event and frees it with `perceptis_event_free`. Errors: `INVALID_ARGUMENT`,
 * `CLOSED` (the queue is closed and holds no event), `FORKED`, `WOULD_DEADLOCK` (with a timeout
 * other than 0); `*taken` is 0 with all of them. Any thread, several at once; blocks as
 * `timeout_ms` says. Since 0.2.
 */
perceptis_code perceptis_queue_take(perceptis_queue *queue,
                                    perceptis_event **events,
                                    size_t capacity,
                                    int64_t timeout_ms,
                                    size_t *taken,
                                    perceptis_error **error);

#if !defined(_WIN32)
/**
 * The descriptor of a queue. It is readable exactly while events wait, and for good once the queue
 * is closed. It is for `poll`, `select`, `epoll` and the event loops that use them. A program must
 * never read, write or close it. With an edge-triggered `epoll`, take until fewer events come than
 * there was room for.
 *
 * Owned by the queue, and the same all its life. -1 of NULL and after a fork. Any thread; does not
 * block. POSIX only. Since 0.2.
 */
int perceptis_queue_fd(const perceptis_queue *queue);
#endif

/**
 * Sets the wakeup, for programs without an event loop that watches descriptors: `wakeup` is called
 * with `user` whenever the queue, empty before, holds an event. It is not called for events that
 * wait already when it is set. NULL removes the wakeup. This function returns after the calls in
 * progress of earlier wakeups have ended. In a callback it returns at once, and calls on other
 * threads may go on.
 *
 * A runtime that runs callbacks on one thread of its own must not call this function from that
 * thread: it would wait for itself. `perceptis_queue_set_wakeup_with_release` is for such runtimes,
 * and for a `user` that has to be freed.
 *
 * The wakeup is called on a thread of the library's or on a thread that is in a call of the
 * library, with no lock held; with several clients, on several threads at once. It may call the
 * library back, except for what blocks (`WOULD_DEADLOCK`). It must return: it must not end by
 * `longjmp`, `pthread_exit` or an exception. While it runs, a client's other work waits. Errors:
 * `INVALID_ARGUMENT`, `FORKED`. Any thread; blocks for a call in progress only. Since 0.2.
 */
perceptis_code perceptis_queue_set_wakeup(perceptis_queue *queue,
                                          perceptis_wakeup_function wakeup,
                                          void *user,
                                          perceptis_error **error);

/**
 * Sets the wakeup as `perceptis_queue_set_wakeup` does, and never waits. It is for runtimes that
 * run callbacks on one thread of theirs and call this function from that thread, where a wait for a
 * callback in progress would never end.
 *
 * Where this returns `PERCEPTIS_OK`, `release` is called with `user` exactly once, when no call of
 * `wakeup` is in progress any more and none will begin. That is after the program has set another
 * wakeup or freed the queue: in that call, or on the thread that ends the last call of `wakeup`.
 * `release` is called with no lock held, may call the library back, except for what blocks
 * (`WOULD_DEADLOCK`), and must return as `wakeup` must. A `wakeup` of NULL removes the wakeup, and
 * `release` is called at once. `release` may be NULL.
 *
 * A wakeup from `perceptis_queue_set_wakeup` that this replaces may still be in a call. That
 * function, called next, waits for it, and so does `perceptis_queue_free`. In a fork's child
 * nothing is called. Errors: `INVALID_ARGUMENT`, `FORKED`: `release` is not called then. Any
 * thread, also in a callback; does not block. Since 0.3.
 */
perceptis_code perceptis_queue_set_wakeup_with_release(perceptis_queue *queue,
                                                       perceptis_wakeup_function wakeup,
                                                       void *user,
                                                       perceptis_release_function release,
                                                       perceptis_error **error);

/**
 * Stops the call with this tag. Its final event comes at once, `CANCELLED` and with all that is
 * known of the job, unless the call has ended by itself. The job goes on at the service, and a file
 * that has come in part stays as `.part`: `perceptis_wait` and `perceptis_download` continue with
 * them. Before the first byte was sent, nothing is submitted and nothing billed.
 *
 * A tag of no call, or of a call that has ended or was cancelled before, is no error. Errors:
 * `INVALID_ARGUMENT`, `FORKED`. Any thread, also in a callback; does not block. Since 0.2.
 */
perceptis_code perceptis_queue_cancel(perceptis_queue *queue,
                                      uint64_t tag,
                                      perceptis_error **error);

/**
 * Closes a queue: a thread that waits in `perceptis_queue_take` gets `CLOSED`, and so does every
 * later call that would put something in. Calls that run go on, and their events can still be
 * taken. Where no event waits, `perceptis_queue_take` answers `CLOSED` and does not wait. A second
 * close does nothing.
 *
 * The handle stays the caller's, who frees it. Errors: `INVALID_ARGUMENT`, `FORKED`. Any thread;
 * does not block. Since 0.2.
 */
perceptis_code perceptis_queue_close(perceptis_queue *queue, perceptis_error **error);

/**
 * Frees a queue, with the events that were not taken. Calls that run go on without an event, until
 * they or their client end: their files still come to their places. A thread that waits in
 * `perceptis_queue_take` gets `CLOSED`. The descriptor is closed: take it out of the event loop
 * before. NULL is accepted.
 *
 * After this function has returned, no call of the wakeup begins. A call in progress has ended,
 * except when this is called from a callback, and except for a wakeup that was set with
 * `perceptis_queue_set_wakeup_with_release`: this function does not wait for that one, and its
 * release says when it is over. Any thread; blocks for a call in progress only. Since 0.2.
 */
void perceptis_queue_free(perceptis_queue *queue);

/**
 * The kind of an event: one of `PERCEPTIS_EVENT_*`. New kinds get new numbers, so a program must
 * accept kinds that it does not know. Since 0.2.
 */
typedef int32_t perceptis_event_type;

/**
 * A call has ended. There is exactly one such event for each call that was accepted, and its tag is
 * free from now on.
 */
#define PERCEPTIS_EVENT_FINISHED 0

/**
 * A call made with the option `progress` has come further.
 */
#define PERCEPTIS_EVENT_PROGRESS 1

/**
 * A record of the log.
 */
#define PERCEPTIS_EVENT_LOG 2

/**
 * The tag that the call was made with; 0 of a record of the log.
 *
 * Of NULL: 0. Any thread; does not block. Since 0.2.
 */
uint64_t perceptis_event_tag(const perceptis_event *event);

/**
 * The kind of the event: `PERCEPTIS_EVENT_FINISHED`, `_PROGRESS` or `_LOG`.
 *
 * Of NULL: -1. Any thread; does not block. Since 0.2.
 */
perceptis_event_type perceptis_event_kind(const perceptis_event *event);

/**
 * How the call has ended: what the form that blocks would have returned. `PERCEPTIS_OK` of all
 * other events.
 *
 * Of NULL: `PERCEPTIS_OK`. Any thread; does not block. Since 0.2.
 */
perceptis_code perceptis_event_code(const perceptis_event *event);

/**
 * The JSON of the event; "" where there is none. Of a call that has ended: what the form that
 * blocks would have returned, with `PERCEPTIS_OK` and with `PERCEPTIS_INCOMPLETE`. Of progress:
 * where the call stands, as an entry of `perceptis_client_activity`. Of the log: a record, or
 * `{"dropped"}` with the number of records that were dropped because the program did not take them.
 *
 * Borrowed from the event; of NULL: "". Any thread; does not block. Since 0.2.
 */
const char *perceptis_event_json(const perceptis_event *event);

/**
 * Why the call failed; NULL where it did not.
 *
 * Borrowed from the event, not to be freed; of NULL: NULL. Any thread; does not block. Since 0.2.
 */
const perceptis_error *perceptis_event_error(const perceptis_event *event);

/**
 * Frees an event, and what is borrowed from it. NULL is accepted.
 *
 * A program frees a final event once it has stored the end: from then on the ledger counts the end
 * as given. A program that dies before finds the job again when it makes the same call. Any thread;
 * does not block. Since 0.2.
 */
void perceptis_event_free(perceptis_event *event);

/**
 * Frees a final event whose end the program does not store: its `await` was cancelled, its callback
 * is gone, Ctrl-C came in between. The ledger does not count the end as given, so that an equal
 * call continues the submission and does not buy a second job. Of other events: as
 * `perceptis_event_free`. NULL is accepted.
 *
 * Any thread; does not block. Since 0.3.
 */
void perceptis_event_discard(perceptis_event *event);

/* ---- The ledger: the record of every submission ----

   A file has each submission from before it is sent until its files are delivered, so that the
   death of the process costs no deck. A program calls perceptis_recover when it starts.

   Example:

       perceptis_code settle_earlier_calls(perceptis_client *client)
       {
           char *report = NULL;
           perceptis_error *error = NULL;
           perceptis_code code = perceptis_recover(client, NULL, &report, &error);
           if (code == PERCEPTIS_OK) {
               char *unsettled = perceptis_json_get(report, "/unsettled");
               printf("%s submissions are left\n", unsettled);
               perceptis_string_free(unsettled);
           } else {
               fprintf(stderr, "%s\n", perceptis_error_message(error));
           }
           perceptis_string_free(report);
           perceptis_error_free(error);
           return code;
       }
 */

/**
 * Settles what earlier calls left, of this process or of processes that are gone: sends submissions
 * in doubt again under their keys, waits for jobs that run, and fetches missing or damaged files
 * into their places. Buys no new job. `{"jobs": [{"job_id", "idempotency_key", "operation",
 * "outcome", "billed", "code", "message", "result"}], "unsettled"}`, with a line for each
 * submission that waited, in their order.
 *
 * `outcome` is "delivered"; "settled" (its call asked for no files); "failed" (nothing is billed);
 * "unknown" (it is older than `resubmit_window_ms`: sent again only with the option `resubmit`);
 * "unsettled" (`code` and `message` say why; the next call tries again); "in_work" (a live process
 * works on it); "other_key" (the service shows it to another API key only). `result` is what the
 * call would have returned. `unsettled` is how many submissions are left.
 *
 * The options `job` (a job id or idempotency key: only that submission; `job:` or `key:` before it
 * says which), `resubmit` and `timeout_ms` (of all together, 45 minutes by default) apply. Jobs
 * that take longer go on, and their outcome is "unsettled". On success the caller owns `*report`
 * and frees it with `perceptis_string_free`. Errors: `INVALID_ARGUMENT`, `NOT_FOUND` (no submission
 * has the name `job`), `CONFLICT` (the name can mean two), `LEDGER`, `TIMEOUT`, `CLOSED`, `FORKED`,
 * `WOULD_DEADLOCK`, `INTERNAL`. `options` may be NULL. Any thread; blocks. Since 0.2.
 */
perceptis_code perceptis_recover(perceptis_client *client,
                                 const perceptis_options *options,
                                 char **report,
                                 perceptis_error **error);

/**
 * Lists the submissions that the ledger knows, the newest first: `{"jobs": [{"job_id",
 * "idempotency_key", "state", "unsettled", "live", "own_key", "operation", "output_type",
 * "variants", "directory", "name", "request_hash", "recorded_unix_ms", "changed_unix_ms", "told",
 * "calls": [{"operation", "directory", "name", "told", "live"}], "files": [{"variant", "format",
 * "path", "size", "sha256", "delivered"}], "history": [{"unix_ms", "event"}]}], "unsettled"}`. Asks
 * the service nothing. No prompt is in the list, and no API key.
 *
 * `state` is "submitting" (the request may have been sent), "accepted", "completed" (files may be
 * missing), "settled", "failed" or "refused". `unsettled`: the submission waits for
 * `perceptis_recover` or for its call; beside `jobs`: how many submissions do. `live`: a live
 * process works on it. `own_key`: it was submitted with this client's API key. `told`: the code
 * that the program of its newest call was given, "OK" among them; null where it was given none.
 * `calls`: each `perceptis_run` and `perceptis_generate` that asked for it, the newest first. The
 * options `job` (as with `perceptis_recover`), `state`, `unsettled`, `max_age_ms` (since its last
 * change) and `limit` narrow the list. `history`, its events, is there only with the option
 * `history`.
 *
 * On success the caller owns `*jobs` and frees it with `perceptis_string_free`. Errors:
 * `INVALID_ARGUMENT`, `NOT_FOUND`, `CONFLICT` (both as with `perceptis_recover`), `LEDGER`,
 * `CLOSED`, `FORKED`, `WOULD_DEADLOCK`, `INTERNAL`. `options` may be NULL. Any thread; blocks on
 * the disk. Since 0.2.
 */
perceptis_code perceptis_jobs(perceptis_client *client,
                              const perceptis_options *options,
                              char **jobs,
                              perceptis_error **error);

/**
 * Forgets the submission that has this job id or idempotency key, also an unsettled one; with NULL
 * all submissions that are settled. The job and its files are not touched. No later call joins or
 * adopts what is forgotten, so the same call buys a new job. A key that bought a job stays refused,
 * with the id of the job.
 *
 * Errors: `INVALID_ARGUMENT`, `NOT_FOUND` (no submission has that name), `CONFLICT` (a live process
 * works on it, or the name can mean two: `job:` or `key:` before it says which), `LEDGER`,
 * `CLOSED`, `FORKED`, `WOULD_DEADLOCK`, `INTERNAL`. Any thread; blocks on the disk. Since 0.2.
 */
perceptis_code perceptis_forget(perceptis_client *client,
                                const char *job_or_key,
                                perceptis_error **error);

/* ---- Errors: codes for programs, and a sentence for people ----

   A program branches on the code and on the details, and shows or logs the message. A code keeps
   its number for ever.

   Example:

       int can_be_repeated(const perceptis_error *error)
       {
           char *retryable = perceptis_json_get(perceptis_error_details(error), "/retryable");
           int can = retryable != NULL && strcmp(retryable, "true") == 0;
           fprintf(stderr, "%s: %s\n", perceptis_code_name(perceptis_error_code(error)),
                   perceptis_error_message(error));
           perceptis_string_free(retryable);
           return can;
       }
 */

/**
 * The call succeeded.
 */
#define PERCEPTIS_OK 0

/**
 * The call is wrong: NULL, text that is not UTF-8, an unknown key, a value that is not accepted.
 */
#define PERCEPTIS_INVALID_ARGUMENT 1

/**
 * The configuration is wrong: no API key, a base URL with a path, a CA file that can't be read.
 */
#define PERCEPTIS_CONFIGURATION 2

/**
 * 401: the API key is missing, invalid or revoked.
 */
#define PERCEPTIS_UNAUTHENTICATED 3

/**
 * 403: the organization's plan does not include the API.
 */
#define PERCEPTIS_NOT_ELIGIBLE 4

/**
 * 404: the service shows no such job to this API key. Or the ledger has no submission with that
 * name.
 */
#define PERCEPTIS_NOT_FOUND 5

/**
 * 409: the request conflicts with another; `api_code` in the details says how. Without an answer of
 * the service: an idempotency key that is known for another request or under another API key, or a
 * name that can mean two.
 */
#define PERCEPTIS_CONFLICT 6

/**
 * 400 and the other final refusals: the service does not accept the request.
 */
#define PERCEPTIS_REJECTED 7

/**
 * 429 until the deadline; `retry_after_ms` in the details says when to try again.
 */
#define PERCEPTIS_RATE_LIMITED 8

/**
 * 5xx until the end of the retries.
 */
#define PERCEPTIS_SERVER 9

/**
 * No usable answer: name resolution, connect, TLS or a reset failed.
 */
#define PERCEPTIS_TRANSPORT 10

/**
 * The library can't understand the answer of the service.
 */
#define PERCEPTIS_PROTOCOL 11

/**
 * A submission is in doubt: a job may exist. The same request with the `idempotency_key` of the
 * details settles it and is not billed twice.
 */
#define PERCEPTIS_OUTCOME_UNKNOWN 12

/**
 * The caller's deadline has passed; the job goes on.
 */
#define PERCEPTIS_TIMEOUT 13

/**
 * The program cancelled the call; the job goes on.
 */
#define PERCEPTIS_CANCELLED 14

/**
 * The service could not do the job; nothing is billed.
 */
#define PERCEPTIS_JOB_FAILED 15

/**
 * Some variants or files are missing. The result is set too, and has the files that came.
 */
#define PERCEPTIS_INCOMPLETE 16

/**
 * The disk or the destination: a missing directory, a name that is taken, no space.
 */
#define PERCEPTIS_FILE 17

/**
 * The ledger can't be used.
 */
#define PERCEPTIS_LEDGER 18

/**
 * The client or the queue was closed.
 */
#define PERCEPTIS_CLOSED 19

/**
 * The client or the queue comes from before a fork; make a new one.
 */
#define PERCEPTIS_FORKED 20

/**
 * A blocking call from one of the library's own threads, or from a callback.
 */
#define PERCEPTIS_WOULD_DEADLOCK 21

/**
 * A fault of the library; please report it with the message.
 */
#define PERCEPTIS_INTERNAL 22

/**
 * The name of a code without its prefix, such as "TIMEOUT"; "UNKNOWN" for a number that is no code.
 *
 * Static, not to be freed. Any thread; does not block. Since 0.1.
 */
const char *perceptis_code_name(perceptis_code code);

/**
 * The code of an error.
 *
 * Of NULL: `PERCEPTIS_OK`. Any thread; does not block. Since 0.1.
 */
perceptis_code perceptis_error_code(const perceptis_error *error);

/**
 * One sentence for people: what happened, whether it was billed, and what to do. UTF-8, without
 * line breaks. It has neither the API key nor the query of a URL.
 *
 * Borrowed from the error; of NULL: "". Any thread; does not block. Since 0.1.
 */
const char *perceptis_error_message(const perceptis_error *error);

/**
 * What a program can branch on, as a JSON object: `{"http_status", "api_code", "request_id",
 * "job_id", "idempotency_key", "retry_after_ms", "retryable", "billed", "attempts": [{"at_ms",
 * "outcome", "http_status"}], "attempts_omitted"}`. `retryable` (whether the same call, unchanged,
 * can succeed later and costs nothing twice) and `billed` ("no", "yes", "unknown") are always
 * there, the other keys where they apply. `api_code` is the service's own code. `attempts` lists
 * the newest attempts, the oldest of them first: `at_ms` since the call began, `outcome` in a word
 * or two. `attempts_omitted` says how many attempts came before those.
 *
 * Borrowed from the error; of NULL: "". Any thread; does not block. Since 0.1.
 */
const char *perceptis_error_details(const perceptis_error *error);

/**
 * Frees an error, and the texts borrowed from it. NULL is accepted.
 *
 * Any thread; does not block. Since 0.1.
 */
void perceptis_error_free(perceptis_error *error);

/* ---- JSON: reading results without a JSON library ----

   Results, details and events are JSON objects, and a JSON pointer names a value in one. More keys
   can be added later, so a program ignores keys that it does not know.

   Example:

       int print_files(const char *result)
       {
           const char *type = perceptis_json_type(result, "/job");
           int is_from_service = type != NULL && strcmp(type, "null") != 0;
           int count = 0;
           printf("%s\n", is_from_service ? "the service was asked" : "the ledger knew all");
           for (;; count++) {
               char pointer[32];
               snprintf(pointer, sizeof pointer, "/files/%d/path", count);
               char *path = perceptis_json_get(result, pointer);
               if (path == NULL) {
                   return count;
               }
               printf("%s\n", path);
               perceptis_string_free(path);
           }
       }
 */

/**
 * The value at a JSON pointer (RFC 6901), such as `/files/0/path`: a string's text, else the
 * value's JSON as it stands there. A string that contains U+0000 or half of a surrogate pair,
 * which no C text can hold, comes as its JSON. The JSON value null and the string "null" both come
 * as the text `null`: `perceptis_json_type` tells them apart.
 *
 * NULL when there is no such value, or when an argument is NULL, too long, not UTF-8, or no JSON
 * or pointer. The caller owns the text and frees it with `perceptis_string_free`. Any thread; does
 * not block. Since 0.1.
 */
char *perceptis_json_get(const char *json, const char *pointer);

/**
 * The type of the value at a JSON pointer: "null", "boolean", "number", "string", "array" or
 * "object". The pointer is that of `perceptis_json_get`.
 *
 * NULL where `perceptis_json_get` answers NULL. Static, not to be freed. Any thread; does not
 * block. Since 0.3.
 */
const char *perceptis_json_type(const char *json, const char *pointer);

/**
 * Frees a text that the library returned as `char *`. NULL is accepted.
 *
 * Any thread; does not block. Since 0.1.
 */
void perceptis_string_free(char *text);

#ifdef __cplusplus
}
#endif

#endif
