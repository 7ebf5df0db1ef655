//! The list: each fault of the sandbox at each endpoint that it strikes, struck a few times and for ever.
//!
//! Read a line as: the operations that this function names meet this scenario this many times, and end so; or meet it
//! for ever, and end so. `ok(3)` is the result after three requests at the endpoint; `no`, `unknown` and `yes` are
//! errors, by what they say about the bill; `fails` are errors about somebody's job, which may say anything that the
//! books bear out. The expectations are the promise's, rule by rule, not the code's.

use crate::rows::Kind::{Deck, Slides};
use crate::rows::Leaves::{Part, PerhapsPart, Unverified};
use crate::rows::{
    End, MANY, ONCE, Row, ask, fails, fetch, find, look, no, ok, ok_in, run_only, submit, unknown, wait,
    wait_only, yes,
};

/// It comes after two timeouts; on a loaded machine there can be more.
const IN_TIME: End = ok_in((3, u64::MAX));
/// A fate that no retry settles within the deadline.
const FATE: End = unknown("OUTCOME_UNKNOWN", MANY);
/// The same, said at once: a redirect to a submission is not covered by the retry rules.
const FATE_AT_ONCE: End = unknown("OUTCOME_UNKNOWN", ONCE);
/// A limit to the deadline, which can strike while one more attempt is on its way.
const TOO_MANY: End = fails("RATE_LIMITED|OUTCOME_UNKNOWN", MANY);
/// A wait to its deadline; the job goes on.
const TIME_IS_UP: End = unknown("TIMEOUT", MANY);
/// What a service that never gets better comes to for who only asks.
const NO_SERVICE: End = fails("SERVER|TIMEOUT", MANY);
const NO_ANSWER: End = fails("TRANSPORT|TIMEOUT", MANY);
const TOO_FAST: End = fails("RATE_LIMITED|TIMEOUT", MANY);
/// A success that can't be read is not asked for again by who only asks.
const UNREADABLE: End = fails("PROTOCOL", ONCE);
/// A bought file that does not come.
const NO_FILE: End = yes("TRANSPORT|SERVER|TIMEOUT|INCOMPLETE", MANY);
/// A URL that three renewals do not help.
const STAYS_EXPIRED: End = yes("PROTOCOL|INCOMPLETE", (4, 4));
/// An answer about a file that nothing can be made of.
const NO_SUCH_ANSWER: End = yes("PROTOCOL|REJECTED|CONFLICT|INCOMPLETE", (1, 4));
/// Two identical downloads that fail verification.
const DAMAGED: End = yes("INCOMPLETE", (2, 2)).leaving(Unverified);

/// `promise.md`, 1 to 5.
#[rustfmt::skip]
pub const SUBMITTING: &[Row] = &[
    //     scenario              times, struck                        for ever
    submit("revoked",                1, no("UNAUTHENTICATED", ONCE),  no("UNAUTHENTICATED", ONCE)),
    submit("trial",                  1, no("NOT_ELIGIBLE", ONCE),     no("NOT_ELIGIBLE", ONCE)),
    submit("unknown_key",            1, no("UNAUTHENTICATED", ONCE),  no("UNAUTHENTICATED", ONCE)),
    // A key that is forgotten after a while, or shared: the retry comes sooner, and finds its job.
    submit("keys_forgotten=3600",    9, ok(2),                        ok(2)).with("reset_after@generate*1").quietly(),
    submit("keys_per_organization",  9, ok(2),                        ok(2)).with("reset_after@generate*1").quietly(),
    submit("conflict_in_work=60",   99, ok_in((2, 99)),               ok_in((2, 99))).with("reset_after@generate*1").quietly(),
    submit("request_in_progress",    2, ok(3),                        FATE),
    submit("request_in_progress",    2, ok(4),                        FATE).with("made_then_500@generate*1"),
    submit("conflict_in_work=100000",3, ok(5),                        FATE).with("reset_after@generate*1"),
    // The first error is said again to every repetition: whether it made a job stays unknown.
    submit("errors_kept",           99, FATE,                         FATE).with("http_500@generate*1"),
    // A refusal as the sole answer is final and free.
    submit("http_400",               1, no("REJECTED", ONCE),         no("REJECTED", ONCE)),
    submit("http_401",               1, no("UNAUTHENTICATED", ONCE),  no("UNAUTHENTICATED", ONCE)),
    submit("http_403",               1, no("NOT_ELIGIBLE", ONCE),     no("NOT_ELIGIBLE", ONCE)),
    submit("http_404",               1, no("NOT_FOUND", ONCE),        no("NOT_FOUND", ONCE)),
    submit("http_409",               1, no("CONFLICT", ONCE),         no("CONFLICT", ONCE)),
    submit("ambiguous_template",     1, no("CONFLICT", ONCE),         no("CONFLICT", ONCE)),
    submit("http_410",               1, no("REJECTED", ONCE),         no("REJECTED", ONCE)),
    submit("http_422",               1, no("REJECTED", ONCE),         no("REJECTED", ONCE)),
    submit("insufficient_credits",   1, no("REJECTED", ONCE),         no("REJECTED", ONCE)),
    submit("insufficient_credits=403",1,no("REJECTED", ONCE),         no("REJECTED", ONCE)),
    // After an unknown attempt the same refusals deny nothing any more.
    submit("http_400+1",             1, FATE,                         FATE).with("reset_after@generate*1"),
    submit("http_401+1",             1, FATE,                         FATE).with("reset_after@generate*1"),
    submit("http_403",               1, FATE,                         FATE).with("reset_before@generate*1"),
    submit("http_404",               1, FATE,                         FATE).with("http_500@generate*1"),
    submit("http_422+1",             1, FATE,                         FATE).with("close_after@generate*1"),
    submit("revoked+1",              1, FATE,                         FATE).with("made_then_500@generate*1"),
    submit("redirect_302+1",         1, FATE,                         FATE).with("reset_after@generate*1"),
    submit("http_409+1",             3, ok(5),                        FATE).with("reset_after@generate*1"),
    submit("http_429_huge+1",        1, FATE,                         FATE).with("reset_after@generate*1"),
    // Limits: nothing was made, and the asked time is a floor.
    submit("http_425",               2, ok(3),                        fails("SERVER|REJECTED|OUTCOME_UNKNOWN", (1, u64::MAX))),
    submit("http_429=20",            2, ok(3),                        TOO_MANY),
    submit("http_429_date=20",       2, ok(3),                        TOO_MANY),
    submit("http_429_fraction=1.5",  2, ok(3),                        TOO_MANY),
    submit("http_429_negative",      2, ok(3),                        TOO_MANY),
    submit("http_429_past",          2, ok(3),                        TOO_MANY),
    submit("http_429_missing",       2, ok(3),                        TOO_MANY),
    submit("http_429_text=20s",      2, ok(3),                        TOO_MANY),
    submit("http_429_huge",          1, no("RATE_LIMITED", ONCE),     no("RATE_LIMITED", ONCE)),
    submit("http_429_text=inf",      1, no("RATE_LIMITED", ONCE),     no("RATE_LIMITED", ONCE)),
    submit("rate_limit=0",           2, ok(3),                        TOO_MANY),
    // Anything may have happened: only an acceptance settles it.
    submit("http_408",               2, ok(3),                        FATE),
    submit("http_500",               2, ok(3),                        FATE),
    submit("http_502",               2, ok(3),                        FATE),
    submit("http_503",               2, ok(3),                        FATE),
    submit("http_503=20",            2, ok(3),                        FATE),
    submit("http_504",               2, ok(3),                        FATE),
    submit("made_then_500",          2, ok(3),                        FATE),
    submit("made_then_408",          2, ok(3),                        FATE),
    submit("made_then_302",          1, FATE_AT_ONCE,                 FATE_AT_ONCE),
    // A 4xx as the sole answer is a refusal; one that made the job all the same is beyond any client.
    submit("made_then_401",          1, no("UNAUTHENTICATED", ONCE),  no("UNAUTHENTICATED", ONCE)).lies(),
    submit("made_then_401",          1, FATE,                         FATE).with("reset_before@generate*1"),
    submit("redirect_302",           1, FATE_AT_ONCE,                 FATE_AT_ONCE),
    submit("redirect_307",           1, FATE_AT_ONCE,                 FATE_AT_ONCE),
    // The job is made, and its answer can't be read.
    submit("html",                   2, ok(3),                        FATE),
    submit("empty",                  2, ok(3),                        FATE),
    submit("cut_json",               2, ok(3),                        FATE),
    submit("not_utf8",               2, ok(3),                        FATE),
    submit("deep",                   2, ok(3),                        FATE),
    submit("large_body",             2, ok(3),                        FATE),
    submit("gzip",                   2, ok(3),                        FATE),
    submit("gzip_bomb",              2, ok(3),                        FATE),
    submit("bom",                    2, ok(1),                        ok(1)),
    submit("duplicate_keys",         2, ok(1),                        ok(1)),
    submit("wrong_content_type",     2, ok(1),                        ok(1)),
    submit("lone_surrogate",         2, ok(1),                        ok(1)),
    submit("not_a_number",           2, ok(1),                        ok(1)),
    submit("content_encoding",       2, ok(1),                        ok(1)),
    submit("content_encoding=none",  2, ok(1),                        ok(1)),
    // No answer repeats more than was sent.
    submit("long_text",              2, ok(3),                        FATE),
    submit("long_text=900000",       2, ok(1),                        ok(1)),
    // The wire.
    submit("reset_before",           2, ok(3),                        FATE),
    submit("reset_after",            2, ok(3),                        FATE),
    submit("close_after",            2, ok(3),                        FATE),
    submit("half_answer",            2, ok(3),                        FATE),
    submit("drip",                   2, IN_TIME,                      FATE),
    submit("no_answer",              2, IN_TIME,                      FATE),
    submit("stall_head",             2, IN_TIME,                      FATE),
    submit("stall_body",             2, IN_TIME,                      FATE),
    submit("length_long",            2, ok(1),                        ok(1)),
    submit("ends_by_reset",          2, ok(1),                        ok(1)),
    submit("many_headers",           2, ok(1),                        ok(1)),
    submit("folded_headers",         2, ok(1),                        ok(1)),
    submit("length_short",           2, ok(3),                        FATE),
    submit("huge_headers",           2, ok(3),                        FATE),
    submit("forbidden_headers",      2, ok(3),                        FATE),
    submit("dies_between",           2, ok(1),                        ok(1)),
    submit("connection_refused=300", 1, ok(1),                        ok(1)),
    submit("continue_100",           2, ok(1),                        ok(1)),
    submit("early_hints_103",        2, ok(1),                        ok(1)),
];

/// `get_status`, and the poll that `download` begins with: asked once, what passes is asked again.
#[rustfmt::skip]
pub const ASKING: &[Row] = &[
    //     scenario              times, struck                        for ever
    ask("revoked",                   1, fails("UNAUTHENTICATED", ONCE), fails("UNAUTHENTICATED", ONCE)),
    ask("trial",                     1, fails("NOT_ELIGIBLE", ONCE),  fails("NOT_ELIGIBLE", ONCE)),
    ask("unknown_key",               1, fails("UNAUTHENTICATED", ONCE), fails("UNAUTHENTICATED", ONCE)),
    ask("http_400",                  1, fails("REJECTED", ONCE),      fails("REJECTED", ONCE)),
    ask("http_401",                  1, fails("UNAUTHENTICATED", ONCE), fails("UNAUTHENTICATED", ONCE)),
    ask("http_403",                  1, fails("NOT_ELIGIBLE", ONCE),  fails("NOT_ELIGIBLE", ONCE)),
    ask("http_404",                  1, fails("NOT_FOUND", ONCE),     fails("NOT_FOUND", ONCE)),
    ask("http_409",                  1, fails("CONFLICT", ONCE),      fails("CONFLICT", ONCE)),
    ask("http_410",                  1, fails("REJECTED", ONCE),      fails("REJECTED", ONCE)),
    ask("http_422",                  1, fails("REJECTED", ONCE),      fails("REJECTED", ONCE)),
    ask("not_found_at_first=100000", 1, fails("NOT_FOUND", ONCE),     fails("NOT_FOUND", ONCE)),
    ask("http_408",                  2, ok(3),                        NO_SERVICE),
    ask("http_425",                  2, ok(3),                        fails("SERVER|REJECTED|TIMEOUT", (1, u64::MAX))),
    ask("http_429=20",               2, ok(3),                        TOO_FAST),
    ask("http_429_date=20",          2, ok(3),                        TOO_FAST),
    ask("http_429_fraction=1.5",     2, ok(3),                        TOO_FAST),
    ask("http_429_negative",         2, ok(3),                        TOO_FAST),
    ask("http_429_past",             2, ok(3),                        TOO_FAST),
    ask("http_429_missing",          2, ok(3),                        TOO_FAST),
    ask("http_429_text=20s",         2, ok(3),                        TOO_FAST),
    ask("http_429_huge",             1, fails("RATE_LIMITED", ONCE),  fails("RATE_LIMITED", ONCE)),
    ask("http_429_text=inf",         1, fails("RATE_LIMITED", ONCE),  fails("RATE_LIMITED", ONCE)),
    ask("rate_limit=0",              2, ok(3),                        TOO_FAST),
    ask("http_500",                  2, ok(3),                        NO_SERVICE),
    ask("http_502",                  2, ok(3),                        NO_SERVICE),
    ask("http_503",                  2, ok(3),                        NO_SERVICE),
    ask("http_503=20",               2, ok(3),                        NO_SERVICE),
    ask("http_504",                  2, ok(3),                        NO_SERVICE),
    ask("redirect_302",              1, UNREADABLE,                   UNREADABLE),
    ask("redirect_307",              1, UNREADABLE,                   UNREADABLE),
    // What a job does is an answer for who asks about it, whatever it is; there may be no files in it.
    ask("takes=5",                   1, ok(1),                        ok(1)).takes(1000).unfinished(),
    look("fail_after=1",             1, ok(1),                        ok(1)),
    look("fail_code_only=1",         1, ok(1),                        ok(1)),
    look("fail_message_only=1",      1, ok(1),                        ok(1)),
    look("fail_text=1",              1, ok(1),                        ok(1)),
    look("fail_null=1",              1, ok(1),                        ok(1)),
    look("fail_nested=1",            1, ok(1),                        ok(1)),
    find("fail_after=1",             1, no("JOB_FAILED", ONCE),       no("JOB_FAILED", ONCE)),
    find("fail_code_only=1",         1, no("JOB_FAILED", ONCE),       no("JOB_FAILED", ONCE)),
    find("fail_message_only=1",      1, no("JOB_FAILED", ONCE),       no("JOB_FAILED", ONCE)),
    find("fail_text=1",              1, no("JOB_FAILED", ONCE),       no("JOB_FAILED", ONCE)),
    find("fail_null=1",              1, no("JOB_FAILED", ONCE),       no("JOB_FAILED", ONCE)),
    find("fail_nested=1",            1, no("JOB_FAILED", ONCE),       no("JOB_FAILED", ONCE)),
    look("never_ends",               1, ok(1),                        ok(1)),
    find("never_ends",               1, fails("INCOMPLETE", ONCE),    fails("INCOMPLETE", ONCE)),
    look("unknown_status",           1, ok(1),                        ok(1)).takes(1000).unfinished(),
    find("unknown_status",           1, fails("INCOMPLETE", ONCE),    fails("INCOMPLETE", ONCE)).takes(1000).unfinished(),
    ask("step_back",                 1, ok(1),                        ok(1)).quietly(),
    ask("unknown_fields",            1, ok(1),                        ok(1)),
    ask("numbers_for_text",          1, ok(1),                        ok(1)),
    ask("other_format",              1, ok(1),                        ok(1)),
    look("no_downloads",             1, ok(1),                        ok(1)),
    look("late_downloads",           1, ok(1),                        ok(1)),
    look("downloads_null",           1, ok(1),                        ok(1)),
    look("fewer_variants",           1, ok(1),                        ok(1)).of(Slides(2)),
    // Five more polls before files that are not there count as that.
    find("no_downloads",             2, ok(3),                        yes("INCOMPLETE", (6, 6))),
    find("late_downloads=2",         2, ok(3),                        ok(3)),
    find("downloads_null",           5, ok(6),                        yes("INCOMPLETE", (6, 6))),
    find("fewer_variants",           2, ok(3),                        yes("INCOMPLETE", (6, 6))),
    // A success that can't be read.
    ask("html",                      1, UNREADABLE,                   UNREADABLE),
    ask("empty",                     1, UNREADABLE,                   UNREADABLE),
    ask("cut_json",                  1, UNREADABLE,                   UNREADABLE),
    ask("not_utf8",                  1, UNREADABLE,                   UNREADABLE),
    ask("deep",                      1, UNREADABLE,                   UNREADABLE),
    ask("large_body",                1, UNREADABLE,                   UNREADABLE),
    ask("gzip",                      1, UNREADABLE,                   UNREADABLE),
    ask("gzip_bomb",                 1, UNREADABLE,                   UNREADABLE),
    ask("bom",                       1, ok(1),                        ok(1)),
    ask("duplicate_keys",            1, ok(1),                        ok(1)),
    ask("wrong_content_type",        1, ok(1),                        ok(1)),
    ask("lone_surrogate",            1, ok(1),                        ok(1)),
    ask("not_a_number",              1, ok(1),                        ok(1)),
    ask("content_encoding",          1, ok(1),                        ok(1)),
    ask("long_text",                 1, ok(1),                        ok(1)),
    // The wire.
    ask("reset_before",              2, ok(3),                        NO_ANSWER),
    ask("reset_after",               2, ok(3),                        NO_ANSWER),
    ask("close_after",               2, ok(3),                        NO_ANSWER),
    ask("half_answer",               2, ok(3),                        NO_ANSWER),
    ask("drip",                      2, IN_TIME,                      NO_ANSWER),
    ask("no_answer",                 2, IN_TIME,                      NO_ANSWER),
    ask("stall_head",                2, IN_TIME,                      NO_ANSWER),
    ask("stall_body",                2, IN_TIME,                      NO_ANSWER),
    ask("length_long",               2, ok(1),                        ok(1)),
    ask("ends_by_reset",             2, ok(1),                        ok(1)),
    ask("many_headers",              2, ok(1),                        ok(1)),
    ask("folded_headers",            2, ok(1),                        ok(1)),
    ask("length_short",              1, UNREADABLE,                   UNREADABLE),
    ask("huge_headers",              2, ok(3),                        NO_ANSWER),
    ask("forbidden_headers",         2, ok(3),                        NO_ANSWER),
    ask("dies_between",              2, ok(1),                        ok(1)),
    ask("connection_refused=300",    1, ok(1),                        ok(1)),
    ask("continue_100",              2, ok(1),                        ok(1)),
    ask("early_hints_103",           2, ok(1),                        ok(1)),
];

/// `promise.md`, 6 and 7: only the deadline, 401, 403, a late 404, `failed` and `completed` end a wait.
#[rustfmt::skip]
pub const WAITING: &[Row] = &[
    //     scenario              times, struck                        for ever
    wait("revoked",                  1, unknown("UNAUTHENTICATED", ONCE), unknown("UNAUTHENTICATED", ONCE)),
    wait("trial",                    1, unknown("NOT_ELIGIBLE", ONCE), unknown("NOT_ELIGIBLE", ONCE)),
    wait("unknown_key",              1, unknown("UNAUTHENTICATED", ONCE), unknown("UNAUTHENTICATED", ONCE)),
    wait("http_401",                 1, unknown("UNAUTHENTICATED", ONCE), unknown("UNAUTHENTICATED", ONCE)),
    wait("http_403",                 1, unknown("NOT_ELIGIBLE", ONCE), unknown("NOT_ELIGIBLE", ONCE)),
    // Within half a minute of the submission "not found" means "not yet".
    wait("http_404",                 2, ok(3),                        unknown("NOT_FOUND", MANY)).slowly(),
    wait("not_found_at_first=10",    9, ok_in((2, 9)),                ok_in((2, 9))).slowly(),
    wait("http_400",                 2, ok(3),                        TIME_IS_UP),
    wait("http_408",                 2, ok(3),                        TIME_IS_UP),
    wait("http_409",                 2, ok(3),                        TIME_IS_UP),
    wait("http_410",                 2, ok(3),                        TIME_IS_UP),
    wait("http_422",                 2, ok(3),                        TIME_IS_UP),
    wait("http_425",                 2, ok(3),                        TIME_IS_UP),
    wait("http_429=20",              2, ok(3),                        TIME_IS_UP),
    wait("http_429_date=20",         2, ok(3),                        TIME_IS_UP),
    wait("http_429_fraction=1.5",    2, ok(3),                        TIME_IS_UP),
    wait("http_429_negative",        2, ok(3),                        TIME_IS_UP),
    wait("http_429_past",            2, ok(3),                        TIME_IS_UP),
    wait("http_429_missing",         2, ok(3),                        TIME_IS_UP),
    wait("http_429_text=20s",        2, ok(3),                        TIME_IS_UP),
    // Absurd, but a floor: the wait goes on to its deadline and says how long it was told.
    wait("http_429_huge",            1, unknown("TIMEOUT", ONCE),     unknown("TIMEOUT", ONCE)),
    wait("http_429_text=inf",        1, unknown("TIMEOUT", ONCE),     unknown("TIMEOUT", ONCE)),
    wait("rate_limit=0",             2, ok(3),                        TIME_IS_UP),
    wait("http_500",                 2, ok(3),                        TIME_IS_UP),
    wait("http_502",                 2, ok(3),                        TIME_IS_UP),
    wait("http_503",                 9, ok(10),                       TIME_IS_UP),
    wait("http_503=20",              2, ok(3),                        TIME_IS_UP),
    wait("http_504",                 2, ok(3),                        TIME_IS_UP),
    wait("redirect_302",             2, ok(3),                        TIME_IS_UP),
    wait("redirect_307",             2, ok(3),                        TIME_IS_UP),
    // The job.
    wait("takes=5",                 99, ok_in((1, 99)),               ok_in((1, 99))).takes(2000).of(Deck),
    wait("fail_after=3",             9, no("JOB_FAILED", (3, 3)),     no("JOB_FAILED", (3, 3))).takes(4000),
    wait("fail_code_only=1",         1, no("JOB_FAILED", ONCE),       no("JOB_FAILED", ONCE)),
    wait("fail_message_only=1",      1, no("JOB_FAILED", ONCE),       no("JOB_FAILED", ONCE)),
    wait("fail_text=1",              1, no("JOB_FAILED", ONCE),       no("JOB_FAILED", ONCE)),
    wait("fail_null=1",              1, no("JOB_FAILED", ONCE),       no("JOB_FAILED", ONCE)),
    wait("fail_nested=1",            1, no("JOB_FAILED", ONCE),       no("JOB_FAILED", ONCE)),
    wait("never_ends",               3, ok(4),                        TIME_IS_UP),
    wait("unknown_status",           2, ok_in(MANY),                  ok_in(MANY)).takes(400),
    wait("step_back",                9, ok_in(MANY),                  ok_in(MANY)).takes(400),
    wait("late_downloads=3",         9, ok(4),                        ok(4)),
    wait_only("no_downloads",        5, ok(6),                        ok(6)),
    run_only("no_downloads",         5, ok(6),                        yes("INCOMPLETE", (6, 6))),
    wait_only("downloads_null",      5, ok(6),                        ok(6)),
    run_only("downloads_null",       5, ok(6),                        yes("INCOMPLETE", (6, 6))),
    wait_only("fewer_variants",      2, ok(3),                        ok(6)).of(Slides(2)),
    run_only("fewer_variants",       2, ok(3),                        yes("INCOMPLETE", (6, 6))).of(Slides(2)),
    wait("other_format=key",         1, ok(1),                        ok(1)),
    wait("other_format=../../X",     1, ok(1),                        ok(1)),
    wait("unknown_fields",           1, ok(1),                        ok(1)),
    wait("numbers_for_text",         1, ok(1),                        ok(1)).of(Slides(2)),
    // Answers that can't be read.
    wait("html",                     2, ok(3),                        TIME_IS_UP),
    wait("empty",                    2, ok(3),                        TIME_IS_UP),
    wait("cut_json",                 2, ok(3),                        TIME_IS_UP),
    wait("not_utf8",                 2, ok(3),                        TIME_IS_UP),
    wait("deep",                     2, ok(3),                        TIME_IS_UP),
    wait("large_body",               2, ok(3),                        TIME_IS_UP),
    wait("gzip",                     2, ok(3),                        TIME_IS_UP),
    wait("gzip_bomb",                2, ok(3),                        TIME_IS_UP),
    wait("bom",                      1, ok(1),                        ok(1)),
    wait("duplicate_keys",           1, ok(1),                        ok(1)),
    wait("wrong_content_type",       1, ok(1),                        ok(1)),
    wait("lone_surrogate",           1, ok(1),                        ok(1)),
    wait("not_a_number",             1, ok(1),                        ok(1)),
    wait("content_encoding",         1, ok(1),                        ok(1)),
    wait("long_text",                1, ok(1),                        ok(1)),
    // The wire.
    wait("reset_before",             2, ok(3),                        TIME_IS_UP),
    wait("reset_after",              2, ok(3),                        TIME_IS_UP),
    wait("close_after",              2, ok(3),                        TIME_IS_UP),
    wait("half_answer",              2, ok(3),                        TIME_IS_UP),
    wait("drip",                     2, IN_TIME,                      TIME_IS_UP),
    wait("no_answer",                2, IN_TIME,                      TIME_IS_UP),
    wait("stall_head",               2, IN_TIME,                      TIME_IS_UP),
    wait("stall_body",               2, IN_TIME,                      TIME_IS_UP),
    wait("length_long",              2, ok(1),                        ok(1)),
    wait("ends_by_reset",            2, ok(1),                        ok(1)),
    wait("many_headers",             2, ok(1),                        ok(1)),
    wait("folded_headers",           2, ok(1),                        ok(1)),
    wait("length_short",             2, ok(3),                        TIME_IS_UP),
    wait("huge_headers",             2, ok(3),                        TIME_IS_UP),
    wait("forbidden_headers",        2, ok(3),                        TIME_IS_UP),
    wait("dies_between",             2, ok(1),                        ok(1)),
    wait("connection_refused=300",   3, ok_in((2, 99)),               ok_in((2, 99))).takes(60),
    wait("continue_100",             2, ok(1),                        ok(1)),
    wait("early_hints_103",          2, ok(1),                        ok(1)),
];

/// `promise.md`, 8 to 11: whole files under their names, and what arrived is kept.
#[rustfmt::skip]
pub const FETCHING: &[Row] = &[
    //     scenario              times, struck                        for ever
    fetch("http_400",                1, NO_SUCH_ANSWER,               NO_SUCH_ANSWER),
    fetch("http_409",                1, NO_SUCH_ANSWER,               NO_SUCH_ANSWER),
    fetch("http_422",                1, NO_SUCH_ANSWER,               NO_SUCH_ANSWER),
    // How an expired URL answers is open: a poll renews it, three times without progress.
    fetch("http_401",                3, ok(4),                        STAYS_EXPIRED),
    fetch("http_403",                3, ok(4),                        STAYS_EXPIRED),
    fetch("http_404",                3, ok(4),                        STAYS_EXPIRED),
    fetch("http_410",                3, ok(4),                        STAYS_EXPIRED),
    fetch("expired",                 3, ok(4),                        STAYS_EXPIRED),
    fetch("expired=401",             3, ok(4),                        STAYS_EXPIRED),
    fetch("expired=404",             3, ok(4),                        STAYS_EXPIRED),
    fetch("expired=410",             3, ok(5),                        STAYS_EXPIRED.after(1).leaving(Part)).with("cut_at@download*1"),
    fetch("signature_refused",       3, ok(4),                        STAYS_EXPIRED),
    fetch("http_408",                2, ok(3),                        NO_FILE),
    fetch("http_425",                2, ok(3),                        NO_FILE),
    fetch("http_429=20",             2, ok(3),                        yes("RATE_LIMITED|TIMEOUT", MANY)),
    fetch("http_429_date=20",        2, ok(3),                        yes("RATE_LIMITED|TIMEOUT", MANY)),
    fetch("http_429_fraction=1.5",   2, ok(3),                        yes("RATE_LIMITED|TIMEOUT", MANY)),
    fetch("http_429_negative",       2, ok(3),                        yes("RATE_LIMITED|TIMEOUT", MANY)),
    fetch("http_429_past",           2, ok(3),                        yes("RATE_LIMITED|TIMEOUT", MANY)),
    fetch("http_429_missing",        2, ok(3),                        yes("RATE_LIMITED|TIMEOUT", MANY)),
    fetch("http_429_text=20s",       2, ok(3),                        yes("RATE_LIMITED|TIMEOUT", MANY)),
    fetch("http_429_huge",           1, yes("RATE_LIMITED|TIMEOUT", ONCE), yes("RATE_LIMITED|TIMEOUT", ONCE)),
    fetch("http_500",                2, ok(3),                        NO_FILE),
    fetch("http_502",                2, ok(3),                        NO_FILE),
    fetch("http_503",                2, ok(3),                        NO_FILE),
    fetch("http_503=20",             2, ok(3),                        NO_FILE),
    fetch("http_504",                2, ok(3),                        NO_FILE),
    // Of a range that was not asked for nothing can be made; of one that was, that the file is another.
    fetch("http_416",                1, NO_SUCH_ANSWER,               NO_SUCH_ANSWER),
    fetch("http_416+1",              1, ok(3),                        yes("PROTOCOL|TIMEOUT|INCOMPLETE", MANY).leaving(PerhapsPart)).with("cut_at@download*1"),
    // The file is damaged on the way once: fetched again. It stays damaged: kept, and said to be.
    fetch("html",                    1, ok(2),                        DAMAGED),
    fetch("zip_cut",                 1, ok(2),                        DAMAGED),
    fetch("zip_bad_crc",             1, ok(2),                        DAMAGED),
    fetch("not_a_zip",               1, ok(2),                        DAMAGED),
    fetch("zip_without_presentation",1, ok(2),                        DAMAGED),
    fetch("zero_bytes",              1, ok(2),                        DAMAGED),
    fetch("wrong_length",            1, ok(2),                        DAMAGED),
    fetch("length_short",            1, ok(2),                        DAMAGED),
    fetch("gigabyte",                1, yes("PROTOCOL|INCOMPLETE", ONCE), yes("PROTOCOL|INCOMPLETE", ONCE)),
    // A cut is resumed, as often as something comes.
    fetch("cut_at=1000",             3, ok(4),                        ok_in((10, 60))),
    fetch("cut_at=0",                3, ok(4),                        NO_FILE),
    fetch("cut_at=0",                3, ok(5),                        NO_FILE.leaving(Part)).with("cut_at=7000@download*1"),
    fetch("ranges_ignored",          9, ok(2),                        ok(2)).with("cut_at@download*1"),
    // A proxy does odd things to parts: whether they fit is what the zip's checksums say.
    fetch("resume_without_etag",     9, ok(2),                        ok(2)).with("cut_at@download*1"),
    fetch("resume_weak_etag",        9, ok(2),                        ok(2)).with("cut_at@download*1"),
    fetch("resume_overlaps",         9, ok(2),                        ok(2)).with("cut_at@download*1"),
    fetch("resume_without_range",    9, ok(2),                        ok(2)).with("cut_at@download*1"),
    // Another file each time: never the end of one after the beginning of the other.
    fetch("etag_changes",            9, ok(2),                        ok(2)).with("half_answer@download*1"),
    fetch("etag_changes=5000",       3, ok(4),                        yes("TRANSPORT|PROTOCOL|TIMEOUT|INCOMPLETE", MANY).leaving(PerhapsPart)),
    fetch("half_answer",             3, ok(4),                        NO_FILE.leaving(Part)),
    fetch("stall_body",              2, IN_TIME,                      NO_FILE.leaving(Part)),
    fetch("length_long",             2, ok(1),                        ok(1)),
    fetch("ends_by_reset",           2, ok(1),                        ok(1)),
    fetch("many_headers",            2, ok(1),                        ok(1)),
    fetch("folded_headers",          2, ok(1),                        ok(1)),
    fetch("content_encoding",        2, ok(1),                        ok(1)),
    // Redirects: five at most, and to nowhere without TLS but this machine.
    fetch("redirect_once",           1, ok(2),                        ok(2)),
    fetch("redirect_loop",           5, ok(6),                        yes("PROTOCOL|INCOMPLETE", (6, 6))),
    fetch("redirect_other_host",     1, ok(2),                        ok(2)),
    fetch("redirect_to_http",        1, ok(2),                        ok(2)),
    fetch("redirect_to",             1, yes("PROTOCOL|INCOMPLETE", ONCE), yes("PROTOCOL|INCOMPLETE", ONCE)),
    // The wire.
    fetch("reset_before",            2, ok(3),                        NO_FILE),
    fetch("reset_after",             2, ok(3),                        NO_FILE),
    fetch("close_after",             2, ok(3),                        NO_FILE),
    fetch("drip",                    2, IN_TIME,                      NO_FILE),
    fetch("no_answer",               2, IN_TIME,                      NO_FILE),
    fetch("stall_head",              2, IN_TIME,                      NO_FILE),
    fetch("huge_headers",            2, ok(3),                        NO_FILE),
    fetch("forbidden_headers",       2, ok(3),                        NO_FILE),
    fetch("dies_between",            2, ok(1),                        ok(1)),
    fetch("connection_refused=300",  1, ok(2),                        ok(2)).of(Slides(2)),
    fetch("continue_100",            2, ok(1),                        ok(1)),
    fetch("early_hints_103",         2, ok(1),                        ok(1)),
    fetch("redirect_once",           1, ok_in((3, 3)),                ok_in((4, 4))).of(Slides(2)),
];

/// All of them.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    [SUBMITTING, ASKING, WAITING, FETCHING].into_iter().flatten()
}
