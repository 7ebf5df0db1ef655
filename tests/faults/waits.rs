//! What a table can't say of waiting: outages, and a pace that is the key's and not one job's.

use serde_json::Value;

use crate::books::{self, Books};
use crate::play::at_once;
use crate::rows::Kind;
use crate::service::{Entry, Namespace, directory};
use crate::settle::{FOREVER, whole};

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
    let namespace = Namespace::new(200);
    let client = namespace.client(&[]);
    let (first, second) = (namespace.submit(&Kind::Deck.body(1)), namespace.submit(&Kind::Deck.body(1)));
    let before = namespace.journal(0).last().unwrap().number;
    namespace.rule("http_429=300@status*1");
    let error = client.get_status(&first, &[("timeout_ms", "280000")]).unwrap_err();
    assert_eq!(error.code, "RATE_LIMITED", "{error:?}");
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
    let namespace = Namespace::new(200);
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

/// A poll that its deadline cut off was one all the same. At a speed at which a second is long for a machine, too.
#[test]
fn a_poll_that_was_given_up_counts() {
    let namespace = Namespace::new(10);
    // Whoever asks next may be given what the stalled poll comes to.
    let client = namespace.client(&[("status_timeout_ms", "5000")]);
    let job = namespace.submit(&Kind::Slides(1).body(1));
    for _ in 0..3 {
        namespace.rule("stall_head@status*1");
        // Under way or not, it is given up after 30 ms of the wall's.
        client.get_status(&job, &[("timeout_ms", "300")]).unwrap_err();
        namespace.clear();
        client.get_status(&job, &[("timeout_ms", FOREVER)]).unwrap();
    }
    assert_eq!(books::violations(&namespace), Vec::<String>::new());
    let polls = namespace.journal(0).split_off(1);
    assert_eq!(books::complaints(&polls), Vec::<String>::new());
}

/// A job that takes a time that is not documented is asked about sparsely, and densely once others took much the same.
/// At a speed at which the dense distance, two seconds, is long for a machine.
#[test]
fn polls_follow_what_the_jobs_before_took() {
    let namespace = Namespace::new(40);
    let client = namespace.client(&[]);
    let polls = |takes| {
        let forever = [("timeout_ms", FOREVER)];
        let accepted = client.generate(&Kind::Slides(1).request(takes), &forever).unwrap();
        let job = accepted["job_id"].as_str().unwrap();
        client.wait(job, &forever).unwrap();
        let asked = |entry: &&Entry| entry.endpoint() == "status" && entry.job_id.as_deref() == Some(job);
        namespace.journal(0).iter().filter(asked).count()
    };
    let before = polls(70);
    // After 2, 8, 26 and 80 s, with a tenth at most that chance adds.
    assert!(before <= 4, "{before}");
    let others = at_once((0..12).collect(), 12, |_| {
        polls(30);
        None
    });
    assert_eq!(others, Vec::<String>::new());
    let after = polls(70);
    assert!(after >= 2 * before, "{before} polls before, {after} after");
    assert_eq!(books::violations(&namespace), Vec::<String>::new());
}
