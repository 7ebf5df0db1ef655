//! The costs of the sandbox: `cargo bench -p perceptis-sandbox`. It prints figures and has no limits.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, clippy::panic)]

#[path = "../tests/support/child.rs"]
mod child;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use child::{Connection, Program};

const JOBS: usize = 10_000;
const CONNECTIONS: usize = 4;
const TIME: Duration = Duration::from_secs(3);
const KEY: &str = "sk-sandbox-load";

fn main() {
    let size = std::fs::metadata(env!("CARGO_BIN_EXE_perceptis-sandbox")).unwrap().len();
    println!("binary                   {:>9.2} MiB", size as f64 / f64::from(1 << 20));

    let mut starts: Vec<Duration> = (0..20)
        .map(|_| {
            let begin = Instant::now();
            let program = Program::start();
            let took = begin.elapsed();
            drop(program);
            took
        })
        .collect();
    starts.sort();
    println!("start to ready, median   {:>9.2} ms", starts[10].as_secs_f64() * 1000.0);

    let program = Program::start();
    println!("memory, idle             {:>9.2} MiB", program.memory() as f64 / 1024.0);

    files(&program);

    let before = program.busy();
    let begin = Instant::now();
    let ids: Vec<String> = all(|number| {
        let mut connection = Connection::to(&program.url, KEY);
        (number..JOBS).step_by(CONNECTIONS).map(|number| connection.submit(number)).collect::<Vec<_>>()
    })
    .concat();
    rate("submissions", ids.len(), begin.elapsed(), program.busy() - before);
    println!("memory, {JOBS} jobs      {:>9.2} MiB", program.memory() as f64 / 1024.0);

    poll(&program, &ids, "polls, in work");
    Connection::to(&program.url, KEY).ask(
        "POST",
        "/_sandbox/clock",
        r#"{"namespace":"load","advance_ms":3600000}"#,
    );
    poll(&program, &ids, "polls, completed");
    println!("memory, at the end       {:>9.2} MiB", program.memory() as f64 / 1024.0);
}

/// The time of a download, from the request to the last byte. The file is written anew each time.
fn files(program: &Program) {
    const KINDS: [(&str, &str); 2] = [("deck", ""), ("single_slide", r#","variant_count":4"#)];
    let points: String = (1..=8)
        .map(|at| {
            format!(
                r"\n- Point {at}: Q1 1{at}0, Q2 15{at}, Q3 18{at}\n- What we learned\n  In the field, {at} %"
            )
        })
        .collect();
    let mut connection = Connection::to(&program.url, KEY);
    for (kind, more) in KINDS {
        let body =
            format!(r#"{{"prompt":"Review [[sandbox: takes=0]]{points}","output_type":"{kind}"{more}}}"#);
        let accepted = connection.ask("POST", "/api/v1/generate", &body);
        let id = accepted.split(r#""job_id":""#).nth(1).unwrap().split('"').next().unwrap().to_owned();
        let state = connection.ask("GET", &format!("/api/v1/status/{id}"), "");
        let paths: Vec<&str> =
            state.split(&program.url).skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let mut times: Vec<(Duration, usize)> = paths
            .iter()
            .cycle()
            .take(40)
            .map(|path| {
                let begin = Instant::now();
                let file = connection.fetch("GET", path, "");
                assert!(file.starts_with(b"PK"));
                (begin.elapsed(), file.len())
            })
            .collect();
        times.sort();
        println!(
            "{:<24} {:>9.2} ms median, {:.2} ms at most; {} KB",
            format!("a file, {kind}"),
            times[times.len() / 2].0.as_secs_f64() * 1000.0,
            times[times.len() - 1].0.as_secs_f64() * 1000.0,
            times[0].1 / 1000
        );
    }
}

/// Does this on all connections at the same time.
fn all<T: Send>(one: impl Fn(usize) -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS)
            .map(|number| {
                let one = &one;
                scope.spawn(move || one(number))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn poll(program: &Program, ids: &[String], what: &str) {
    let next = AtomicUsize::new(0);
    let before = program.busy();
    let begin = Instant::now();
    let polls: usize = all(|_| {
        let mut connection = Connection::to(&program.url, KEY);
        let mut count = 0;
        while begin.elapsed() < TIME {
            // The step is prime to the number of jobs, so that all jobs are polled, in no order.
            let id = &ids[next.fetch_add(7919, Ordering::Relaxed) % ids.len()];
            let response = connection.ask("GET", &format!("/api/v1/status/{id}"), "");
            assert!(response.contains(id.as_str()), "{response}");
            count += 1;
        }
        count
    })
    .iter()
    .sum();
    rate(what, polls, begin.elapsed(), program.busy() - before);
}

fn rate(what: &str, count: usize, wall: Duration, busy: Duration) {
    let count = count as f64;
    println!(
        "{what:<24} {:>9.0} a second; {:.0} a second of the sandbox's processor",
        count / wall.as_secs_f64(),
        count / busy.as_secs_f64()
    );
}
