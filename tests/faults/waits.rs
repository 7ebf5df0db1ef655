//! What a table can't say of waiting: outages, and a pace that is the key's and not one job's.

use std::time::Duration;

use serde_json::Value;

use crate::books::{self, Books};
use crate::play::at_once;
use crate::rows::Kind;
use crate::service::{Entry, Namespace, SPEED, directory, slower};
use crate::settle::{FOREVER, whole};
use crate::support::in_time;
use crate::support::queue::Queue;
use crate::support::script::{Answer, Seen, Server, status};

/// More failures in a row than the retries' budget covers (500 tokens of which each takes 5).
const OUTAGE: u64 = 150;

#[test]
fn a_wait_lasts_through_an_outage_longer_than_any_budget() {
    let outages = ["http_503", "reset_before", "html", "half_answer"];
    let failed = at_once(outages.to_vec(), outages.len(), |outage| {
        let namespace = Namespace::new(1000);
        let directory = directory();
        let rule = namespace.rule(&format!("{outage}@status*{OUTAGE}"));
        let options = [("timeout_ms", FOREVER), ("directory", directory.path().to_str().unwrap())];
        let result = namespace.client(&[]).run(&Kind::Deck.request(30), &options).unwrap();
        assert_eq!(namespace.fired(rule), OUTAGE);
        whole(&result, 1, directory.path()).unwrap();
        let entries = namespace.journal(0);
        let mut wrong = books::complaints(&entries);
        wrong.extend(books::violations(&namespace));
        wrong.extend(Books::read(&namespace).complaints());
        if wrong.is_empty() { None } else { Some(format!("{outage}: {wrong:?}")) }
    });
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn a_limit_on_polls_is_the_keys_and_not_one_jobs() {
    let (namespace, client, second, before) = slower(|speed| {
        let namespace = Namespace::new(speed);
        let client = namespace.client(&[]);
        let (first, second) = (namespace.submit(&Kind::Deck.body(1)), namespace.submit(&Kind::Deck.body(1)));
        let before = namespace.journal(0).last().unwrap().number;
        namespace.rule("http_429=300@status*1");
        let error = client.get_status(&first, &[("timeout_ms", "280000")]).unwrap_err();
        (error.code == "RATE_LIMITED").then_some((namespace, client, second, before))
    });
    client.get_status(&second, &[("timeout_ms", FOREVER)]).unwrap();
    let polls = namespace.journal(before);
    assert_eq!(polls.len(), 2);
    assert!(polls[1].at_ms - polls[0].at_ms >= 300_000, "{polls:?}");
}

/// However many wait for a job, together they poll it no more than once a second, and all get its end.
#[test]
fn many_who_wait_for_one_job_and_ask_about_it_keep_to_one_poll_a_second() {
    let namespace = Namespace::new(20);
    let client = namespace.client(&[]);
    let job = namespace.submit(&Kind::Slides(1).body(30));
    let before = namespace.journal(0).last().unwrap().number;
    std::thread::scope(|scope| {
        for number in 0..12 {
            let (client, job) = (&client, &job);
            scope.spawn(move || {
                let waits = number % 3 != 0;
                let options = [("timeout_ms", FOREVER)];
                let status =
                    if waits { client.wait(job, &options) } else { client.get_status(job, &options) };
                let status: Value = serde_json::from_str(&status.unwrap()).unwrap();
                assert_eq!(status["job_id"], job.as_str());
                assert!(!waits || status["status"] == "completed", "{status}");
            });
        }
    });
    assert_eq!(books::complaints(&namespace.journal(before)), Vec::<String>::new());
    assert_eq!(books::violations(&namespace), Vec::<String>::new());
}

/// Jobs of one key under a limit that is below what they would ask together: all of them end, none is asked too fast.
#[test]
fn many_jobs_under_one_limit_all_end() {
    let namespace = Namespace::new(SPEED);
    let client = namespace.client(&[]);
    namespace.rule("rate_limit=1@status");
    let jobs: Vec<String> = (0..12).map(|_| namespace.submit(&Kind::Slides(1).body(20))).collect();
    let before = namespace.journal(0).last().unwrap().number;
    let failed = at_once(jobs, 12, |job| {
        let status = client.wait(job, &[("timeout_ms", FOREVER)]);
        status.err().map(|error| format!("{error:?}"))
    });
    assert!(failed.is_empty(), "{failed:?}");
    assert_eq!(books::complaints(&namespace.journal(before)), Vec::<String>::new());
    assert_eq!(books::violations(&namespace), Vec::<String>::new());
}

/// How a poll is given up.
#[derive(Clone, Copy, Debug, PartialEq)]
enum GivenUp {
    /// By the deadline of a call that blocks.
    Blocking,
    /// By that of one that does not.
    Queued,
    Cancelled,
}

/// At this scale a second is long for a poll.
const SLOWLY: u64 = 5;

/// A poll that was given up was one all the same. It has arrived before that: one that arrives later says nothing of when
/// the next one was sent.
#[test]
fn a_poll_that_was_given_up_counts() {
    const SECOND: Duration = Duration::from_millis(1000 / SLOWLY);
    for way in [GivenUp::Blocking, GivenUp::Queued, GivenUp::Cancelled] {
        // From 60 ms on: given up well within the second.
        let polls = in_time(|timeout_ms| {
            let timeout_ms = timeout_ms.parse::<u64>().unwrap() / 1000 * SLOWLY;
            polls_around_those_given_up(way, &timeout_ms.to_string())
        });
        for [given_up, next] in polls {
            assert!(next.at - given_up.at >= SECOND, "{way:?}: {:?}", next.at - given_up.at);
        }
    }
}

/// Three polls that were given up, each with the next one of its job. `None`: one had not arrived by then.
fn polls_around_those_given_up(way: GivenUp, timeout_ms: &str) -> Option<Vec<[Seen; 2]>> {
    let (server, queue) = (Server::start(), Queue::new());
    let _free = server.free_at_last();
    let client = server.client_with(&[("time_scale", &SLOWLY.to_string())]);
    // The first call of a client takes longer.
    server.on("*", status("processing", "[]"));
    client.get_status("j1", &[]).unwrap();
    let mut polls = Vec::new();
    // Each about a job that nobody has asked about, so that it is asked about at once, by the call itself.
    for job in ["a", "b", "c"] {
        let path = format!("/api/v1/status/{job}");
        let processing = Answer::json(200, r#"{"status":"processing"}"#);
        server.on(&path, processing.clone().held()).on(&path, processing);
        let deadline = ("timeout_ms", if way == GivenUp::Cancelled { FOREVER } else { timeout_ms });
        let given_up = std::thread::scope(|scope| {
            let call = scope.spawn(|| {
                if way == GivenUp::Blocking {
                    return client.get_status(job, &[deadline]).is_err();
                }
                queue.get_status_with(&client, job, &[deadline], 1).unwrap();
                queue.next().end.is_err()
            });
            let runs = || client.activity().unwrap()["operations"][0].is_object();
            while server.seen_at(&path).is_empty() && !call.is_finished() {
                std::thread::yield_now();
            }
            let arrived = runs();
            if way == GivenUp::Cancelled {
                queue.cancel(1);
            }
            call.join().unwrap() && arrived
        });
        if !given_up {
            return None;
        }
        client.get_status(job, &[]).unwrap();
        polls.push(server.seen_at(&path).try_into().unwrap());
    }
    Some(polls)
}

/// A job that takes a time that is not documented is asked about sparsely, and densely once others took much the same.
/// How dense is the machine's, too: one that needs longer for a poll than there is between two of them is given slower clocks.
#[test]
fn polls_follow_what_the_jobs_before_took() {
    slower(|speed| {
        let (before, after) = polls_before_and_after(speed);
        (2 * after >= 3 * before).then_some(())
    });
}

/// How often a job of an unknown length is asked about, and then one whose length others had.
fn polls_before_and_after(speed: u32) -> (usize, usize) {
    let namespace = Namespace::new(speed.min(40));
    let client = namespace.client(&[]);
    let polls = |takes| {
        let forever = [("timeout_ms", FOREVER)];
        let accepted = client.generate(&Kind::Slides(1).request(takes), &forever).unwrap();
        let job = accepted["job_id"].as_str().unwrap();
        client.wait(job, &forever).unwrap();
        let asked = |entry: &&Entry| entry.endpoint() == "status" && entry.job_id.as_deref() == Some(job);
        namespace.journal(0).iter().filter(asked).count()
    };
    let before = polls(150);
    // Each 2 s at first, then at 15 % of the job's age, then each 10 s, with a tenth that chance can take away.
    assert!(before <= 32, "{before}");
    let others = at_once((0..12).collect(), 12, |number| {
        polls(60 + 8 * number);
        None
    });
    assert_eq!(others, Vec::<String>::new());
    let after = polls(150);
    assert_eq!(books::violations(&namespace), Vec::<String>::new());
    (before, after)
}
