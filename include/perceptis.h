/* libperceptis: a prompt in, a .pptx on disk, and no deck lost or bought twice on the way.

   Generated from the sources: do not edit.

   Ownership: what is returned non-const is the caller's and has one function that frees it, which accepts
   NULL. What is returned const is borrowed from its argument. All text is UTF-8 and ends with a NUL.

   Limits, in bytes without the NUL: 512 for keys, field names, types and names of jobs (200 for a job id),
   4,095 for values of keys, paths and JSON pointers, 67,108,864 (64 MiB) for prompts, values of fields and
   JSON, but 1,048,576 (1 MiB) for options as JSON. A longer text is INVALID_ARGUMENT and is read no further
   than that.

   Errors: functions return a perceptis_code. A last argument perceptis_error **error, where it is not NULL,
   is set to NULL on entry and to an error, which the caller frees, on failure. Results are set to NULL on
   entry; *result and *error are never read.

   Threads: clients and queues may be used from any thread, and errors and events be read from any; every other
   handle has one owner. The library writes nothing to stdout or stderr and installs no signal handler.

   Handles: using a freed handle, or one of another kind, is a fault of the program and undefined. Where it
   can be seen, it is INVALID_ARGUMENT, functions without an error argument answer as for NULL, and a second
   free does nothing: a freed handle is known as such until 256 others of its kind have been freed.

   Forks: a fork waits at most 100 ms for a write to the ledger that is under way. In the child, handles from
   before the fork answer FORKED and can be freed; new ones can be made. A child of _Fork or of clone, which run
   no handlers, can do the same.

   Signals: the library's threads block all of them, so that no handler of the program ever runs on one. A
   program that ends its main thread with pthread_exit keeps another thread of its own that does not block
   signals: where only the library's threads are left, SIGTERM stays pending and ends nothing.

   Cancellation: no function is a cancellation point. pthread_cancel takes effect after the call that the
   thread is in, also where the call waits; a thread that waits in perceptis_queue_take is woken by
   perceptis_queue_close. Asynchronous cancelability (PTHREAD_CANCEL_ASYNCHRONOUS) must be off in a call. A
   callback returns: it is not left by longjmp, pthread_exit or an exception.

   Linking: the shared library stays loaded once it is, since its threads and its handlers of forks do. A
   shared object that the static library is linked into has to stay, too: link it with -z nodelete.

   "Since" names the version of the ABI, PERCEPTIS_ABI_MAJOR.PERCEPTIS_ABI_MINOR, that brought a thing. */

#ifndef PERCEPTIS_H
#define PERCEPTIS_H



#include <stddef.h>
#include <stdint.h>

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
 * A client of the service with one API key. May be used from any number of threads at once. After a fork
 * it belongs to the parent: in the child every call answers `FORKED`, and a new client can be made.
 * Since 0.1.
 */
typedef struct perceptis_client perceptis_client;

/**
 * What a client is made from. Has one owner: not to be used from two threads at once. Since 0.1.
 */
typedef struct perceptis_config perceptis_config;

/**
 * What went wrong: a code, a message for people, details for programs. Immutable; may be read from any
 * thread, and moved from one to another. Since 0.1.
 */
typedef struct perceptis_error perceptis_error;

/**
 * What came out of a queue. Immutable; may be read from any thread, and moved from one to another. Since 0.2.
 */
typedef struct perceptis_event perceptis_event;

/**
 * How one call is made. Has one owner: not to be used from two threads at once. Since 0.1.
 */
typedef struct perceptis_options perceptis_options;

/**
 * Where calls that do not block end: `perceptis_*_async` puts them in, `perceptis_queue_take` gives their events out.
 * For event loops, by a descriptor, and for programs with threads of their own. Calls of any number of clients may
 * share one. May be used from any number of threads at once. After a fork it belongs to the parent: in the child
 * every call answers `FORKED`, and a new queue can be made. Since 0.2.
 */
typedef struct perceptis_queue perceptis_queue;

/**
 * What to make. Has one owner: not to be used from two threads at once. Since 0.1.
 */
typedef struct perceptis_request perceptis_request;

/**
 * What a function returns: `PERCEPTIS_OK` or one of the other `PERCEPTIS_*` codes. The numbers never
 * change; new codes get new numbers, so a program must bear ones that it does not know. Since 0.1.
 */
typedef int32_t perceptis_code;

/**
 * Takes a log record: a JSON object that is valid during the call. Called on a thread of the library's own,
 * for the clients of one configuration never twice at once, with no lock held; may not call the functions of
 * this header that block, and returns: it is not left by `longjmp`, `pthread_exit` or an exception.
 * Since 0.2.
 */
typedef void (*perceptis_log_function)(void *user, const char *record_json);

/**
 * What an event tells: one of `PERCEPTIS_EVENT_*`. New ones get new numbers, so a program must bear ones that it does
 * not know. Since 0.2.
 */
typedef int32_t perceptis_event_type;

/**
 * The wakeup of a queue. It is called with the `user` that was set beside it, on a thread that it must not
 * block for long. Since 0.2.
 */
typedef void (*perceptis_wakeup_function)(void *user);

/**
 * The release of a wakeup. It is called once, with the `user` that was set beside it, when the wakeup is
 * called no more: `perceptis_queue_set_wakeup_with_release` says on which thread, which it must not block for
 * long. Since 0.3.
 */
typedef void (*perceptis_release_function)(void *user);

/**
 * A call has ended. There is exactly one for each call that was accepted, and its tag is free from now on.
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
 * It worked.
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
 * 404: no such job, or another key's; or nothing in the ledger has that name.
 */
#define PERCEPTIS_NOT_FOUND 5

/**
 * 409: the request conflicts with another; `api_code` in the details says how. Without an answer of the service: an
 * idempotency key that is known for another request or under another API key, or a name that can mean two.
 */
#define PERCEPTIS_CONFLICT 6

/**
 * 400 and the other final refusals: the service does not accept the request.
 */
#define PERCEPTIS_REJECTED 7

/**
 * 429 beyond the deadline; `retry_after_ms` in the details says when to come back.
 */
#define PERCEPTIS_RATE_LIMITED 8

/**
 * 5xx to the end of the retries.
 */
#define PERCEPTIS_SERVER 9

/**
 * No usable answer: name resolution, connect, TLS, reset.
 */
#define PERCEPTIS_TRANSPORT 10

/**
 * An answer that can't be understood.
 */
#define PERCEPTIS_PROTOCOL 11

/**
 * A submission whose fate could not be settled. The same request with the details' `idempotency_key`
 * settles it and is not billed twice.
 */
#define PERCEPTIS_OUTCOME_UNKNOWN 12

/**
 * The caller's deadline has passed; the job goes on.
 */
#define PERCEPTIS_TIMEOUT 13

/**
 * The caller cancelled the waiting; the job goes on.
 */
#define PERCEPTIS_CANCELLED 14

/**
 * The service gave the job up; nothing is billed.
 */
#define PERCEPTIS_JOB_FAILED 15

/**
 * Some variants or files are missing; the result is set too and holds what came.
 */
#define PERCEPTIS_INCOMPLETE 16

/**
 * The disk or the target: a missing directory, a name that is taken, no space.
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

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The state of a job, asked once: the service's own JSON, unchanged. Passing failures (a lost connection,
 * 429, 5xx) are retried within `timeout_ms`. A job is asked about at most once a second, so a second call
 * within the second waits its turn. Costs nothing.
 *
 * Runs on the thread that calls, which needs 128 KiB of stack for it; where several call at once, all but one of them
 * go by the client's own thread. Signal handlers of the program may run meanwhile and end nothing; SIGPIPE is not
 * raised.
 *
 * On success the caller owns `*status` and frees it with `perceptis_string_free`. Errors:
 * `INVALID_ARGUMENT`, `UNAUTHENTICATED`, `NOT_ELIGIBLE`, `NOT_FOUND`, `CONFLICT`, `REJECTED`,
 * `RATE_LIMITED`, `SERVER`, `TRANSPORT`, `PROTOCOL`, `TIMEOUT`, `CONFIGURATION`, `CLOSED`, `FORKED`,
 * `WOULD_DEADLOCK`, `INTERNAL`. `options` may be NULL. Any thread; blocks. Since 0.1.
 */
perceptis_code perceptis_get_status(perceptis_client *client,
                                    const char *job_id,
                                    const perceptis_options *options,
                                    char **status,
                                    perceptis_error **error);

/**
 * Submits a request and returns once the service has accepted it: `{"job_id", "idempotency_key",
 * "output_type", "billed", "adopted", "recorded", "unsettled", "answer"}`, where `answer` is the service's own, null
 * where nothing had to be sent, and the others are those of `perceptis_run`. The job goes on at the service and is
 * billed when it is delivered.
 *
 * Never submits twice: attempts are repeated under one idempotency key. On success the caller owns
 * `*accepted` and frees it with `perceptis_string_free`. Errors: `INVALID_ARGUMENT`, `UNAUTHENTICATED`,
 * `NOT_ELIGIBLE`, `NOT_FOUND`, `CONFLICT`, `REJECTED`, `RATE_LIMITED`, `TRANSPORT` (with all of these
 * nothing was billed), `OUTCOME_UNKNOWN` (a job may exist: the details' `idempotency_key` settles it),
 * `TIMEOUT`, `CONFIGURATION`, `CLOSED`, `FORKED`, `WOULD_DEADLOCK`, `INTERNAL`. `options` may be NULL. Any
 * thread; blocks. Since 0.1.
 */
perceptis_code perceptis_generate(perceptis_client *client,
                                  const perceptis_request *request,
                                  const perceptis_options *options,
                                  char **accepted,
                                  perceptis_error **error);

/**
 * Waits until a job is completed and returns the service's last answer, unchanged. Outages, unreadable
 * answers and limits are waited out; only the job's end, a refusal of the key, "not found" and the deadline
 * end it. A completed job without files is asked five more times first. Costs nothing.
 *
 * On success the caller owns `*status` and frees it with `perceptis_string_free`. Errors:
 * `INVALID_ARGUMENT`, `UNAUTHENTICATED`, `NOT_ELIGIBLE`, `NOT_FOUND`, `JOB_FAILED`, `TIMEOUT` (the job goes
 * on: wait again), `CONFIGURATION`, `CLOSED`, `FORKED`, `WOULD_DEADLOCK`, `INTERNAL`. `options` may be
 * NULL. Any thread; blocks. Since 0.1.
 */
perceptis_code perceptis_wait(perceptis_client *client,
                              const char *job_id,
                              const perceptis_options *options,
                              char **status,
                              perceptis_error **error);

/**
 * Fetches the files of a completed job into `directory`, verified (length, zip checksums, a presentation
 * inside) and under their final names at once or not at all: `{"job_id", "status", "output_type",
 * "idempotency_key", "billed", "files": [{"path", "variant", "format", "size", "sha256"}], "job": <the
 * service's last answer, unchanged>}`. Paths are absolute, sizes in bytes, SHA-256 in hexadecimal. A file has
 * a `note` where the caller should know more, as that its name was taken. Costs nothing.
 *
 * With `INCOMPLETE` both `*result` (what came, and under `unverified` what came damaged) and `*error` are
 * set. What has arrived of a file stays as `<name>.<job_id>.part`, and a later call goes on with it. Each
 * different file that came damaged stays as `<name>.unverified`, numbered from the second on. The
 * caller owns `*result` and frees it with `perceptis_string_free`. Errors: `INVALID_ARGUMENT`,
 * `UNAUTHENTICATED`, `NOT_ELIGIBLE`, `NOT_FOUND`, `CONFLICT`, `REJECTED`, `RATE_LIMITED`, `SERVER`,
 * `TRANSPORT`, `PROTOCOL`, `TIMEOUT`, `JOB_FAILED`, `INCOMPLETE`, `FILE`, `CONFIGURATION`, `CLOSED`,
 * `FORKED`, `WOULD_DEADLOCK`, `INTERNAL`. `options` may be NULL. Any thread; blocks. Since 0.1.
 */
perceptis_code perceptis_download(perceptis_client *client,
                                  const char *job_id,
                                  const perceptis_options *options,
                                  char **result,
                                  perceptis_error **error);

/**
 * Makes what a request asks for and puts it on disk: submits, waits and fetches, with the result of
 * `perceptis_download`. The directory and the names are checked, and the names reserved, before anything is
 * submitted, since a job costs money.
 *
 * The result has `adopted` (whether this goes on with what an equal call has left), `recorded` (whether the ledger has
 * all of it), `unsettled` (how many submissions wait for `perceptis_recover`) and, where the caller should know more, a
 * `note`. `job` is null where the ledger and the disk knew all.
 *
 * Never submits twice: attempts are repeated under one idempotency key. When the call ends early, the
 * error's details say what is known: `job_id` to wait for, or `idempotency_key` to submit again with, and
 * `billed`. The same call again goes on with the job, also in another process. Errors: `LEDGER` (the ledger can't be
 * used; nothing was sent), `CONFLICT` (the key is known for another request or under another API key), those of `perceptis_generate`, `perceptis_wait` and `perceptis_download`. The caller
 * owns `*result` and frees it with `perceptis_string_free`. `options` may be NULL. Any thread; blocks.
 * Since 0.1.
 */
perceptis_code perceptis_run(perceptis_client *client,
                             const perceptis_request *request,
                             const perceptis_options *options,
                             char **result,
                             perceptis_error **error);

/**
 * Makes a client from a configuration, which is copied; NULL: from the environment and the defaults. No
 * connection is opened, no thread started: that is done by the first operation.
 *
 * The environment is read here and not again, so that a program may change it at any other time: the
 * variables `PERCEPTIS_<KEY>`; for proxies those of curl, `https_proxy`, `http_proxy`, `all_proxy`,
 * `no_proxy`, where the lower case is looked at first; `SSL_CERT_FILE` and `SSL_CERT_DIR`; `HOME` and
 * `XDG_STATE_HOME`. The one exception is the C library's resolver: glibc before 2.41 can read `LOCALDOMAIN`,
 * `RES_OPTIONS` and `HOSTALIASES` when it looks up a host name other than localhost, as in any program that
 * calls getaddrinfo(3). glibc's setenv(3) is safe beside that from 2.41 on. A proxy's scheme is http, https,
 * socks5, socks5h, socks4 or socks4a; this machine is never reached through a proxy.
 *
 * On success the caller owns `*client` and frees it with `perceptis_client_free`. Errors:
 * `INVALID_ARGUMENT`, `CONFIGURATION` (no API key, plain http to another machine, an unreadable CA file, a
 * bad environment variable: the message names it). Any thread; blocks only to read `ca_file`. Since 0.1.
 */
perceptis_code perceptis_client_new(const perceptis_config *config,
                                    perceptis_client **client,
                                    perceptis_error **error);

/**
 * What runs in this client now, without asking the service: `{"operations": [{"operation", "phase"
 * ("preparing", "submitting", "waiting", "downloading"), "job_id", "status", "idempotency_key",
 * "elapsed_ms", "eta_ms", "eta_low_ms", "eta_high_ms", "eta_jobs"}]}`, the oldest first; what is not known
 * is null. `eta_ms` and the next two say when the job is likely to be done, from now, at the earliest and at
 * the latest. `eta_jobs` says on how many jobs of its kind that stands, which this client or earlier
 * processes with the same ledger saw done; 0: on the service's documentation. For a line that shows the
 * state while another thread waits.
 *
 * On success the caller owns `*activity` and frees it with `perceptis_string_free`. Errors:
 * `INVALID_ARGUMENT`, `FORKED`. Any thread; does not block. Since 0.1.
 */
perceptis_code perceptis_client_activity(perceptis_client *client, char **activity, perceptis_error **error);

/**
 * Ends the operations that run, each with `CLOSED` and all that is known of its job, and waits until they
 * have ended, at most `timeout_ms` (0 to a week) milliseconds of the wall's time; their final events are in
 * their queues by then. What the ledger does not have yet is written, for at most 2 s of that time. Jobs go on at the
 * service. Every later operation answers `CLOSED`; closing again does nothing.
 *
 * The handle stays the caller's, to be freed. Errors: `INVALID_ARGUMENT`, `TIMEOUT` (operations have not ended and are
 * dropped all the same, or the message says how many steps the ledger could not take), `FORKED`,
 * `WOULD_DEADLOCK`. Any thread; blocks. Since 0.1.
 */
perceptis_code perceptis_client_close(perceptis_client *client,
                                      int64_t timeout_ms,
                                      perceptis_error **error);

/**
 * Frees a client. Operations that run end with `CLOSED`, those of queues a moment later; their jobs go on
 * at the service. Queues may be freed before or after. NULL is accepted.
 *
 * Any thread, also in a callback; does not block. Since 0.1.
 */
void perceptis_client_free(perceptis_client *client);

/**
 * A configuration with nothing set.
 *
 * Never NULL. The caller owns it and frees it with `perceptis_config_free`. Any thread; does not block.
 * Since 0.1.
 */
perceptis_config *perceptis_config_new(void);

/**
 * Sets a key from text; the last value wins. What is not set is taken from the environment variable
 * `PERCEPTIS_<KEY>` when a client is made, else the default in brackets holds. Durations are in
 * milliseconds.
 *
 * - `api_key`: needed, here or in the environment
 * - `api_base_url`: an origin only [https://app.perceptis.ai]
 * - `app_name`: put before the library's name in the User-Agent
 * - `ca_file`: certificates in PEM form, trusted besides the system's
 * - `client_cert_file`, `client_key_file`: the certificate that is shown to a host that asks for one, with
 *   those that lead to its authority, and its private key, not encrypted; in PEM form; both, or neither
 * - `allow_http`: `true` to use plain http to another machine [false]
 * - `connect_timeout_ms` [5000], `submit_timeout_ms` [60000], `status_timeout_ms` [15000]: of one attempt
 * - `download_idle_timeout_ms`: how long a download may bring nothing [30000]
 * - `poll_first_ms` [2000], `poll_max_ms` [10000]: the shortest and the longest distance between two polls of
 *   a job, at least 1000. Between them no distance is longer than 15 % of the job's age, so that the end of
 *   a job is seen within 15 % of the time that it took, or `poll_first_ms` where that is longer
 * - `resubmit_window_ms`: how long after its first attempt a submission whose fate is unknown is repeated
 *   without asking [3600000]
 * - `adopt_window_ms`: how long an equal call is given what another one settled for it, by `perceptis_recover`, say;
 *   after that it buys anew, and its result's `note` names the earlier deck; 0 to a year [86400000]
 * - `max_concurrent_submissions`: 1 to 64 [8]
 * - `max_file_bytes`: the largest file that is fetched, to 4 GiB [536870912]
 * - `ledger`: the path of the file in which submissions are recorded before they are sent, so that the death of the
 *   process costs nothing; or `off`: in memory, for the life of the client
 *   [$XDG_STATE_HOME/perceptis/ledger.db, or the same in $HOME/.local/state]
 * - `log_level`: what is logged, where a log is set: `error`, `warning`, `info` or `debug` [info]
 * - `time_scale`: 1 to 10000, divides every duration; with a base URL on this machine only [1]
 * - `jitter_seed`: 0 to 9223372036854775807, makes the spreads of waiting times the same in each run of a test; with a
 *   base URL on this machine only. Idempotency keys are random with it, too [the operating system's randomness]
 *
 * Errors: `INVALID_ARGUMENT` (NULL, too long, not UTF-8, an unknown key, a bad value: the message lists what
 * is accepted), `CONFIGURATION` (a base URL with a path, query, user info or another scheme). The texts are
 * copied. Any thread; does not block. Since 0.1.
 */
perceptis_code perceptis_config_set(perceptis_config *config,
                                    const char *key,
                                    const char *value,
                                    perceptis_error **error);

/**
 * Sets the function that takes the log records of clients made from this configuration, and what it is
 * called with; NULL: no log. A record is a JSON object with `unix_ms`, `level`, `event` ("started",
 * "request", "retrying", "poll failed", "wait bounded", "outcome unknown", "adopted", "status", "finished",
 * "failed", "stopped", "unsettled", "not recorded") and, where they apply, `operation`, `job_id`,
 * `idempotency_key`, `request` ("generate", "status", "download"), `attempt`, `outcome`, `http_status`,
 * `took_ms`, `wait_ms`, `asked_ms`, `code`, `billed`, `message`; more may be added. It holds
 * neither the API key nor a URL's query. A callback that is slower than the records loses the oldest beyond
 * 1,024; the next record says how many in `dropped`.
 *
 * The function is called on one thread for all clients made from this configuration, never twice at once,
 * with no lock held, and may not call what blocks (`WOULD_DEADLOCK`). `perceptis_client_close` waits, within
 * its time, until the records of its client were handed out; once it has returned OK, no call with one
 * begins or is in progress. `perceptis_client_free` does not wait for one in progress. `user` is the
 * caller's and must stay valid until all these clients are closed. Setting it again is for the clients made
 * afterwards, whose callback may run beside that of the earlier ones. A fork's child may make clients from
 * it, too: they have a thread of the child's. Errors: `INVALID_ARGUMENT`. Any thread; does not block.
 * Since 0.2.
 */
perceptis_code perceptis_config_set_log(perceptis_config *config,
                                        perceptis_log_function log,
                                        void *user,
                                        perceptis_error **error);

/**
 * Sets the queue that gets the log records of clients made from this configuration, as events of the kind
 * `PERCEPTIS_EVENT_LOG` with the record as their JSON; NULL: no log. So nothing is called on a thread of the
 * library's. At most 1,024 records wait; the oldest make room, and an event tells how many. The records are
 * those of `perceptis_config_set_log`, which this replaces, and none comes after `perceptis_client_close`.
 *
 * The queue is not taken over, and may be freed before the client. Errors: `INVALID_ARGUMENT`, `FORKED`. Any
 * thread; does not block. Since 0.2.
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

/**
 * The tag that the call was made with; 0 of a record of the log.
 *
 * Of NULL: 0. Any thread; does not block. Since 0.2.
 */
uint64_t perceptis_event_tag(const perceptis_event *event);

/**
 * What the event tells: `PERCEPTIS_EVENT_FINISHED`, `_PROGRESS` or `_LOG`.
 *
 * Of NULL: -1. Any thread; does not block. Since 0.2.
 */
perceptis_event_type perceptis_event_kind(const perceptis_event *event);

/**
 * How the call has ended: what the form that blocks would have returned. `PERCEPTIS_OK` of all other events.
 *
 * Of NULL: `PERCEPTIS_OK`. Any thread; does not block. Since 0.2.
 */
perceptis_code perceptis_event_code(const perceptis_event *event);

/**
 * The event's JSON. Of a call that has ended: what the form that blocks would have handed out, with `PERCEPTIS_OK`
 * and with `PERCEPTIS_INCOMPLETE`. Of progress: where the call stands, an entry of `perceptis_client_activity`. Of
 * the log: a record, or `{"dropped": <how many were dropped, since they were not taken>}`. "" where there is none.
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
 * A final event is freed once the program has made the end its own: from then on the call counts as told. A program that
 * dies before finds the job again by making the same call. Any thread; does not block. Since 0.2.
 */
void perceptis_event_free(perceptis_event *event);

/**
 * Frees a final event whose end the program does not get: its `await` was cancelled, its callback is gone, Ctrl-C came
 * in between. The call does not count as told, so that an equal call goes on with its submission and does not buy it
 * again. Of other events: as `perceptis_event_free`. NULL is accepted.
 *
 * Any thread; does not block. Since 0.3.
 */
void perceptis_event_discard(perceptis_event *event);

/**
 * The value at a JSON pointer (RFC 6901), such as `/files/0/path`: a string's text, else the value's JSON as
 * it stands there. A string that contains U+0000 or half of a surrogate pair, which no C text can hold,
 * comes as its JSON.
 *
 * NULL when there is no such value, or when an argument is NULL, too long, not UTF-8, or no JSON or pointer.
 * The caller owns the text and frees it with `perceptis_string_free`. Any thread; does not block.
 * Since 0.1.
 */
char *perceptis_json_get(const char *json, const char *pointer);

/**
 * Settles what earlier calls left, of this process or of others that are gone: submissions in doubt are sent again
 * under their keys, running jobs are waited for, and missing or damaged files are fetched into their places. Buys
 * nothing anew. `{"jobs": [{"job_id", "idempotency_key", "operation", "outcome", "billed", "code", "message",
 * "result"}], "unsettled"}`, a line for each submission that waited, in their order.
 *
 * `outcome` is "delivered"; "settled" (its call asked for no files); "failed" (nothing is billed); "unknown" (it is
 * older than `resubmit_window_ms`: sent again only with the option `resubmit`); "unsettled" (`code` and `message`
 * say why; the next call tries again); "in_work" (a live process works on it); "other_key" (the service shows it to
 * another API key only). `result` is what `perceptis_run` would have handed out. `unsettled` is how many are left.
 *
 * The options `job` (a job id or idempotency key: that one only; `job:` or `key:` before it says which), `resubmit`
 * and `timeout_ms` (of all together, 45 minutes by default) apply. Jobs that take longer go on, and are lines with the outcome "unsettled". On success the
 * caller owns `*report` and frees it with `perceptis_string_free`. Errors: `INVALID_ARGUMENT`, `NOT_FOUND` (no
 * submission has the name `job`), `CONFLICT` (the name can mean two), `LEDGER`, `TIMEOUT`, `CLOSED`,
 * `FORKED`, `WOULD_DEADLOCK`, `INTERNAL`. `options` may be NULL. Any thread; blocks. Since 0.2.
 */
perceptis_code perceptis_recover(perceptis_client *client,
                                 const perceptis_options *options,
                                 char **report,
                                 perceptis_error **error);

/**
 * What the ledger knows, the newest first: `{"jobs": [{"job_id", "idempotency_key", "state", "unsettled", "live",
 * "own_key", "operation", "output_type", "variants", "directory", "name", "request_hash", "recorded_unix_ms",
 * "changed_unix_ms", "told", "calls", "files"}], "unsettled"}`. Asks the service nothing.
 *
 * `state` is "submitting" (it may have been sent), "accepted", "completed" (files may be missing), "settled",
 * "failed" or "refused"; `unsettled`: it waits for `perceptis_recover` or for its call; `live`: a live process works on
 * it; `own_key`: it was submitted with this client's API key; `told`: the code that the program of its newest call was
 * told, "OK" among them, null where it was not; `calls`: each `perceptis_run` and `perceptis_generate` that asked for it,
 * the newest first: `{"operation", "directory", "name", "told", "live"}`; `files`: `{"variant", "format", "path", "size",
 * "sha256", "delivered"}`. The options `job` (as with `perceptis_recover`), `state`, `unsettled`, `max_age_ms` (since its
 * last change) and `limit` narrow the list, `history` adds each one's events: `{"unix_ms", "event"}`. No prompt is in it,
 * and no API key.
 *
 * On success the caller owns `*jobs` and frees it with `perceptis_string_free`. Errors: `INVALID_ARGUMENT`,
 * `NOT_FOUND`, `CONFLICT` (both as with `perceptis_recover`), `LEDGER`, `CLOSED`, `FORKED`, `WOULD_DEADLOCK`, `INTERNAL`.
 * `options` may be NULL. Any thread; blocks on the disk. Since 0.2.
 */
perceptis_code perceptis_jobs(perceptis_client *client,
                              const perceptis_options *options,
                              char **jobs,
                              perceptis_error **error);

/**
 * Forgets the submission that has this job id or idempotency key, also an unsettled one; with NULL all that are
 * settled. The job and its files are not touched. What is forgotten is not joined or adopted any more, so that the
 * same call buys anew; a key that bought a job stays refused, with the job's id.
 *
 * Errors: `INVALID_ARGUMENT`, `NOT_FOUND` (nothing has that name), `CONFLICT` (a live process works on it, or the
 * name can mean two: `job:` or `key:` before it says which), `LEDGER`, `CLOSED`, `FORKED`, `WOULD_DEADLOCK`, `INTERNAL`. Any thread; blocks on the disk. Since 0.2.
 */
perceptis_code perceptis_forget(perceptis_client *client,
                                const char *job_or_key,
                                perceptis_error **error);

/**
 * The library's version, such as "0.1.0".
 *
 * Static, not to be freed. Any thread; does not block. Since 0.1.
 */
const char *perceptis_version(void);

/**
 * The version of the C ABI that this library has: `major << 16 | minor`. A program works with it when the
 * major is the `PERCEPTIS_ABI_MAJOR` that it was built with and the minor is at least its
 * `PERCEPTIS_ABI_MINOR`.
 *
 * Any thread; does not block. Since 0.1.
 */
uint32_t perceptis_abi_version(void);

/**
 * A code's name without its prefix, such as "TIMEOUT"; "UNKNOWN" for a number that is none.
 *
 * Static, not to be freed. Any thread; does not block. Since 0.1.
 */
const char *perceptis_code_name(perceptis_code code);

/**
 * Frees a text that the library handed out as `char *`. NULL is accepted.
 *
 * Any thread; does not block. Since 0.1.
 */
void perceptis_string_free(char *text);

/**
 * `perceptis_get_status` that returns at once and ends in a queue.
 *
 * With `PERCEPTIS_OK` the call is accepted, and exactly one event `PERCEPTIS_EVENT_FINISHED` with `tag` comes out of
 * `queue`, whatever happens, possibly before this returns: with the code, the result and the error that the form
 * that blocks would have. With any other code nothing was sent and no event comes. `tag` is the caller's name for
 * the call, unique among those of the queue whose final event has not been taken. With the option `progress` there
 * are also events `PERCEPTIS_EVENT_PROGRESS`, of which only the latest waits, and none after the final one.
 *
 * The arguments are copied; client, queue and options may be freed while the call runs. Errors: `INVALID_ARGUMENT`
 * (NULL, not UTF-8, a tag in use), `CLOSED` (the client or the queue), `FORKED`, `INTERNAL`. `options` may be NULL.
 * Any thread, also in a callback; does not block. Since 0.2.
 */
perceptis_code perceptis_get_status_async(perceptis_client *client,
                                          const char *job_id,
                                          const perceptis_options *options,
                                          perceptis_queue *queue,
                                          uint64_t tag,
                                          perceptis_error **error);

/**
 * `perceptis_generate` that returns at once and ends in a queue. All else is as `perceptis_get_status_async` says:
 * what it returns, `tag`, events, ownership, errors. Any thread, also in a callback; does not block. Since 0.2.
 */
perceptis_code perceptis_generate_async(perceptis_client *client,
                                        const perceptis_request *request,
                                        const perceptis_options *options,
                                        perceptis_queue *queue,
                                        uint64_t tag,
                                        perceptis_error **error);

/**
 * `perceptis_wait` that returns at once and ends in a queue. All else is as `perceptis_get_status_async` says:
 * what it returns, `tag`, events, ownership, errors. Any thread, also in a callback; does not block. Since 0.2.
 */
perceptis_code perceptis_wait_async(perceptis_client *client,
                                    const char *job_id,
                                    const perceptis_options *options,
                                    perceptis_queue *queue,
                                    uint64_t tag,
                                    perceptis_error **error);

/**
 * `perceptis_download` that returns at once and ends in a queue. All else is as `perceptis_get_status_async` says:
 * what it returns, `tag`, events, ownership, errors. Any thread, also in a callback; does not block. Since 0.2.
 */
perceptis_code perceptis_download_async(perceptis_client *client,
                                        const char *job_id,
                                        const perceptis_options *options,
                                        perceptis_queue *queue,
                                        uint64_t tag,
                                        perceptis_error **error);

/**
 * `perceptis_run` that returns at once and ends in a queue. All else is as `perceptis_get_status_async` says:
 * what it returns, `tag`, events, ownership, errors. Any thread, also in a callback; does not block. Since 0.2.
 */
perceptis_code perceptis_run_async(perceptis_client *client,
                                   const perceptis_request *request,
                                   const perceptis_options *options,
                                   perceptis_queue *queue,
                                   uint64_t tag,
                                   perceptis_error **error);

/**
 * `perceptis_recover` that returns at once and ends in a queue. All else is as `perceptis_get_status_async` says:
 * what it returns, `tag`, events, ownership, errors. Any thread, also in a callback; does not block. Since 0.2.
 */
perceptis_code perceptis_recover_async(perceptis_client *client,
                                       const perceptis_options *options,
                                       perceptis_queue *queue,
                                       uint64_t tag,
                                       perceptis_error **error);

/**
 * Makes a queue.
 *
 * On success the caller owns `*queue` and frees it with `perceptis_queue_free`. Errors: `INVALID_ARGUMENT`,
 * `INTERNAL` (the process has no descriptors left). Any thread; does not block. Since 0.2.
 */
perceptis_code perceptis_queue_new(perceptis_queue **queue, perceptis_error **error);

#if !defined(_WIN32)
/**
 * A descriptor that is readable exactly while events wait, and for good once the queue is closed: for `poll`,
 * `select`, `epoll` and the event loops that stand on them. It is never to be read, written or closed. With an
 * edge-triggered `epoll`, take until fewer events come than there was room for.
 *
 * Owned by the queue, and the same all its life. -1 of NULL and after a fork. Any thread; does not block. POSIX
 * only. Since 0.2.
 */
int perceptis_queue_fd(const perceptis_queue *queue);
#endif

/**
 * Sets the wakeup, for programs without an event loop that watches descriptors: `wakeup` is called with
 * `user` whenever the queue, empty before, holds an event. It is not called for events that wait already
 * when it is set. NULL takes it away. Returns after the calls in progress of the wakeups before have
 * ended, except when called from a callback: there it returns at once, and calls on other threads may go on.
 *
 * Not for a runtime that runs callbacks on one thread of its own and calls this from there: it would wait
 * for itself. `perceptis_queue_set_wakeup_with_release` is for those, and where `user` has to be freed.
 *
 * The wakeup is called on a thread of the library's or on one that is in a call of it, with no lock held;
 * with several clients, on several threads at once. It may call the library back, except for what blocks
 * (`WOULD_DEADLOCK`), and returns: it is not left by `longjmp`, `pthread_exit` or an exception. While it
 * runs, a client's other work waits. Errors: `INVALID_ARGUMENT`, `FORKED`. Any thread; blocks for a call in
 * progress only. Since 0.2.
 */
perceptis_code perceptis_queue_set_wakeup(perceptis_queue *queue,
                                          perceptis_wakeup_function wakeup,
                                          void *user,
                                          perceptis_error **error);

/**
 * Sets the wakeup as `perceptis_queue_set_wakeup` does, and never waits: for runtimes that run callbacks
 * on one thread of theirs, and call this from that thread, where a wait for a callback in progress would
 * never end.
 *
 * Where this returns `PERCEPTIS_OK`, `release` is called with `user` exactly once, when no call of `wakeup`
 * is in progress any more and none will begin: after another wakeup was set or the queue was freed, in
 * that call, or on the thread that ends the last call of `wakeup`, and never while one is in progress. It is
 * called with no lock held, may call the library back, except for what blocks (`WOULD_DEADLOCK`), and must
 * return as `wakeup` must. A `wakeup` of NULL takes the wakeup away, and `release` is called at once.
 * `release` may be NULL.
 *
 * A wakeup from `perceptis_queue_set_wakeup` that this replaces may be in a call still; that function,
 * called next, waits for it, and so does `perceptis_queue_free`. In a fork's child nothing is called.
 * Errors: `INVALID_ARGUMENT`, `FORKED`: `release` is not called then. Any thread, also in a callback; does
 * not block. Since 0.3.
 */
perceptis_code perceptis_queue_set_wakeup_with_release(perceptis_queue *queue,
                                                       perceptis_wakeup_function wakeup,
                                                       void *user,
                                                       perceptis_release_function release,
                                                       perceptis_error **error);

/**
 * Takes up to `capacity` events into `events` and says in `*taken` how many. Where there is none it waits:
 * `timeout_ms` 0 not at all, -1 until one comes, otherwise at most so many milliseconds of the wall's time (up to a
 * week); none within the time is no error, `*taken` is 0 then. The ends of calls come first, then progress, then the
 * log. A thread that waits here is woken by an event or by `perceptis_queue_close`; neither a signal nor
 * `pthread_cancel` ends the wait.
 *
 * The caller owns each event and frees it with `perceptis_event_free`. Errors: `INVALID_ARGUMENT`, `CLOSED` (the
 * queue is closed and holds no event), `FORKED`, `WOULD_DEADLOCK` (with a timeout other than 0); `*taken` is 0 with
 * all of them. Any thread, several at once; blocks as told by `timeout_ms`. Since 0.2.
 */
perceptis_code perceptis_queue_take(perceptis_queue *queue,
                                    perceptis_event **events,
                                    size_t capacity,
                                    int64_t timeout_ms,
                                    size_t *taken,
                                    perceptis_error **error);

/**
 * Stops waiting for the call with this tag; its final event comes at once, `CANCELLED` and with all that is known of
 * the job, unless it has ended by itself. The job goes on at the service, and what has arrived of a file stays as
 * `.part`: `perceptis_wait` and `perceptis_download` go on with them. Before the first byte went out nothing is
 * submitted and nothing billed.
 *
 * A tag of no call, or of one that has ended or was cancelled before, is no error. Errors: `INVALID_ARGUMENT`,
 * `FORKED`. Any thread, also in a callback; does not block. Since 0.2.
 */
perceptis_code perceptis_queue_cancel(perceptis_queue *queue,
                                      uint64_t tag,
                                      perceptis_error **error);

/**
 * Closes a queue: a thread that waits in `perceptis_queue_take` gets `CLOSED`, and so does every later call that would put
 * something in. What runs goes on, and events can be taken still; where there is none, taking answers `CLOSED`
 * rather than wait. Closing again does nothing.
 *
 * The handle stays the caller's, to be freed. Errors: `INVALID_ARGUMENT`, `FORKED`. Any thread; does not block.
 * Since 0.2.
 */
perceptis_code perceptis_queue_close(perceptis_queue *queue,
                                     perceptis_error **error);

/**
 * Frees a queue, with the events that were not taken. Calls that run go on without an event, until they or
 * their client end: files still come to where they belong. A thread that waits in `perceptis_queue_take` gets `CLOSED`. The
 * descriptor is closed: take it out of the event loop before. NULL is accepted.
 *
 * After it no call of the wakeup begins. One in progress has ended, except when this is called from a
 * callback, and except for a wakeup that was set with `perceptis_queue_set_wakeup_with_release`, whose
 * release says when: for that one this does not wait. Any thread; blocks for a call in progress only.
 * Since 0.2.
 */
void perceptis_queue_free(perceptis_queue *queue);

/**
 * The code of an error.
 *
 * Of NULL: `PERCEPTIS_OK`. Any thread; does not block. Since 0.1.
 */
perceptis_code perceptis_error_code(const perceptis_error *error);

/**
 * One sentence for people: what happened, whether it was billed, what to do. UTF-8, without line breaks;
 * holds neither the API key nor a URL's query.
 *
 * Borrowed from the error; of NULL: "". Any thread; does not block. Since 0.1.
 */
const char *perceptis_error_message(const perceptis_error *error);

/**
 * What a program can branch on, as a JSON object: `http_status`, `api_code` (the service's own code),
 * `request_id`, `job_id`, `idempotency_key`, `retry_after_ms` where they apply, and always `retryable`
 * (whether the same call, unchanged, can succeed later and costs nothing twice) and `billed` ("no", "yes",
 * "unknown"). `attempts` lists the newest of what was tried, oldest first: `at_ms` since the call began,
 * `outcome` in a word or two, `http_status`; `attempts_omitted` says how many came before those.
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

/**
 * Options with nothing set.
 *
 * Never NULL. The caller owns them and frees them with `perceptis_options_free`. Any thread; does not
 * block. Since 0.1.
 */
perceptis_options *perceptis_options_new(void);

/**
 * Sets an option from text; the last value wins. A call ignores the options that do not concern it.
 *
 * - `timeout_ms`: the deadline of the whole call in milliseconds, 1 to a week [get_status: 1 minute;
 *   generate: 10; run: 30 for a slide, 45 for a deck; wait: 45; download: 60]
 * - `directory`: where files go; must exist [the working directory]
 * - `name`: the files' name without its ending, without separators [the job's id]
 * - `overwrite`: `true` to replace the presentation that has that name when the call begins [false: such a file
 *   is an error before anything is submitted]; one that is written meanwhile stays, and the new file goes beside
 *   it, as `<name>-<job_id>.pptx`
 * - `idempotency_key`: 1 to 255 visible ASCII characters [a random one]; the same key with the same request
 *   is the same job, however often it is submitted
 * - `resubmit`: `true` to repeat a submission whose fate is unknown even after `resubmit_window_ms`, when the
 *   service may have forgotten its key and may bill a second job [false]
 * - `adopt`: `off` to buy anew even where an equal call (operation, request, directory, name) is over, or its process
 *   gone, and its program was not told OK [on: that call's submission is continued]
 * - `on_other_key`: `submit` to buy anew where the idempotency key is known under another API key, or an equal call
 *   under another API key is not settled [refuse]
 * - `job`, `state`, `unsettled`, `max_age_ms`, `limit` [1000], `history`: see `perceptis_jobs`, `perceptis_recover`
 * - `progress`: `true` to get an event whenever the call has come further [false]; for calls that end in
 *   a queue, since 0.2
 *
 * Errors: `INVALID_ARGUMENT` (NULL, too long, not UTF-8, an unknown option, a bad value: the message lists
 * what is accepted). The texts are copied. Any thread; does not block. Since 0.1.
 */
perceptis_code perceptis_options_set(perceptis_options *options,
                                     const char *key,
                                     const char *value,
                                     perceptis_error **error);

/**
 * Options from a JSON object, such as `{"directory": "out", "timeout_ms": 60000}`; the keys are those of
 * `perceptis_options_set`, the values text, numbers or booleans; `null` leaves an option unset.
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

/**
 * A request for `output_type` "single_slide" or "deck" from a prompt.
 *
 * On success the caller owns `*request` and frees it with `perceptis_request_free`. Errors:
 * `INVALID_ARGUMENT` (NULL, too long, not UTF-8, another type, an empty prompt). Any thread; does not block.
 * Since 0.1.
 */
perceptis_code perceptis_request_new(const char *output_type,
                                     const char *prompt,
                                     perceptis_request **request,
                                     perceptis_error **error);

/**
 * Sets a documented field from text: `output_type`, `prompt`, `template_name`, `variant_count` (a decimal
 * number, with `single_slide` only), `use_web_search` and `use_knowledge_base` (`true` or `false`).
 *
 * Errors: `INVALID_ARGUMENT` (NULL, too long, not UTF-8, another field, a bad value: the message lists what
 * is accepted). The texts are copied. Any thread; does not block. Since 0.1.
 */
perceptis_code perceptis_request_set(perceptis_request *request,
                                     const char *field,
                                     const char *value,
                                     perceptis_error **error);

/**
 * Sets any field from JSON, also one that this library does not know; `null` takes a field out. The
 * documented fields are checked for their type.
 *
 * The value is kept in its canonical form, as `perceptis_request_to_json` shows it. What has none is refused: a
 * name that stands twice in one object, an escape that is half of a surrogate pair, more than 128 arrays and
 * objects within one another.
 *
 * Errors: `INVALID_ARGUMENT` (NULL, too long, not UTF-8, not JSON, without a canonical form, a value of the
 * wrong type, more than 64 MiB in all). The texts are copied. Any thread; does not block. Since 0.1.
 */
perceptis_code perceptis_request_set_json(perceptis_request *request,
                                          const char *field,
                                          const char *json,
                                          perceptis_error **error);

/**
 * Adds a reference image of `size` bytes (with `single_slide` only): PNG, JPEG, GIF, WebP, BMP or TIFF, at
 * most 20 MB. `mime_type` is its type, such as "image/png", and is checked against the first bytes.
 *
 * Errors: `INVALID_ARGUMENT` (NULL, too long or large, not UTF-8, no image, another type). The bytes are
 * copied. Any thread; does not block. Since 0.1.
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
 * A request from a JSON object with the service's own field names, known and unknown. Values are taken as
 * `perceptis_request_set_json` takes them.
 *
 * On success the caller owns `*request` and frees it with `perceptis_request_free`. Errors:
 * `INVALID_ARGUMENT` (NULL, not UTF-8, not an object, without a canonical form, a value of the wrong type, fields
 * that do not go together, more than 64 MiB). Any thread; does not block. Since 0.1.
 */
perceptis_code perceptis_request_from_json(const char *json,
                                           perceptis_request **request,
                                           perceptis_error **error);

/**
 * The body as it is sent and recorded: a JSON object in the canonical form of RFC 8785, but with numbers as they
 * were given. Names are in the order of their UTF-16 code units, at any depth; there is no white space; of the
 * ways to write a character the RFC's is used. So the same request is the same bytes, however it was made.
 *
 * On success the caller owns `*json` and frees it with `perceptis_string_free`. Errors: `INVALID_ARGUMENT`
 * (NULL, fields that do not go together, more than 64 MiB). Any thread; does not block. Since 0.1.
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

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* PERCEPTIS_H */
