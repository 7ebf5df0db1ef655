//! A blocking `get_status`, which runs on the thread that calls.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::ffi::{c_char, c_void};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpListener};
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use support::api::{Client, borrowed};
use support::script::{Answer, Server};

fn answer(job: &str) -> Answer {
    Answer::json(200, &format!(r#"{{"job_id":"{job}","status":"processing"}}"#))
}

fn path(job: &str) -> String {
    format!("/api/v1/status/{job}")
}

/// Waits until the server has been asked so often.
fn asked(server: &Server, count: usize) {
    while server.seen().len() < count {
        std::thread::yield_now();
    }
}

unsafe extern "C" fn hear(warnings: *mut c_void, record: *const c_char) {
    // SAFETY: the test's own, and it lives until the client is closed.
    let warnings = unsafe { &*warnings.cast::<Mutex<Vec<String>>>() };
    warnings.lock().unwrap().push(borrowed(record));
}

/// A server that closes its connection some time after the answer, while nobody looks.
#[test]
fn a_connection_that_was_closed_meanwhile_is_no_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let (closing, close) = mpsc::channel();
    let (told, closed) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for job in ["j1", "j2"] {
                let (mut stream, _) = listener.accept().unwrap();
                stream.set_nodelay(true).unwrap();
                let mut request = BufReader::new(stream.try_clone().unwrap()).lines();
                assert!(request.next().unwrap().unwrap().contains(job), "nothing is asked twice");
                while !request.next().unwrap().unwrap().is_empty() {}
                let body = format!(r#"{{"job_id":"{job}","status":"processing"}}"#);
                write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
                close.recv().unwrap();
                stream.shutdown(Shutdown::Both).unwrap();
                told.send(()).unwrap();
            }
        });
        let warnings: Mutex<Vec<String>> = Mutex::default();
        let pairs = [("api_key", "sk-test"), ("api_base_url", &*base_url), ("log_level", "warning")];
        let client =
            Client::with_log(&pairs, Some(hear), std::ptr::from_ref(&warnings).cast_mut().cast()).unwrap();
        for job in ["j1", "j2"] {
            assert!(client.get_status(job, &[]).unwrap().contains(job));
            closing.send(()).unwrap();
            closed.recv().unwrap();
            // As long as a client rests before it looks what has become of its connection.
            std::thread::sleep(Duration::from_millis(20));
        }
        client.close(10_000).unwrap();
        assert_eq!(*warnings.lock().unwrap(), [""; 0], "nothing went wrong on the way");
    });
}

/// Of an answer in chunks only its end tells that it is whole; the next call goes by the same connection.
#[test]
fn a_connection_that_brought_chunks_is_used_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let client = Client::new(&[("api_key", "sk-test"), ("api_base_url", &base_url)]).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            drop(listener);
            stream.set_nodelay(true).unwrap();
            let mut request = BufReader::new(stream.try_clone().unwrap()).lines();
            for job in ["j1", "j2", "j3"] {
                assert!(request.next().unwrap().unwrap().contains(job));
                while !request.next().unwrap().unwrap().is_empty() {}
                let body = format!(r#"{{"job_id":"{job}","status":"processing"}}"#);
                let (one, two) = body.split_at(10);
                let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                write!(stream, "{head}{:x}\r\n{one}\r\n", one.len()).unwrap();
                write!(stream, "{:x}\r\n{two}\r\n0\r\n\r\n", two.len()).unwrap();
            }
        });
        for job in ["j1", "j2", "j3"] {
            let answer = client.get_status(job, &[]).unwrap();
            assert!(answer.contains(job));
        }
    });
}

static BROKEN_PIPES: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count_broken_pipe(_: i32) {
    BROKEN_PIPES.fetch_add(1, Ordering::SeqCst);
}

/// Left as it is, that signal ends a program. A server that answers, closes and resets is called again at once, so that
/// some of the requests are written to what is gone.
#[test]
fn a_connection_that_breaks_raises_no_signal() {
    // SAFETY: the handler only counts.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = count_broken_pipe as *const () as usize;
        assert_eq!(libc::sigaction(libc::SIGPIPE, &raw const action, std::ptr::null_mut()), 0);
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let pairs = [("api_key", "sk-test"), ("api_base_url", &*base_url), ("time_scale", "10000")];
    let client = Client::new(&pairs).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = BufReader::new(stream.try_clone().unwrap()).lines();
            let Some(Ok(line)) = request.next() else { continue };
            while request.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            let job = line.split(['/', ' ']).rev().nth(2).unwrap().to_owned();
            let body = format!(r#"{{"job_id":"{job}","status":"processing"}}"#);
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            let _ = stream.shutdown(Shutdown::Write);
            let at_once = libc::linger { l_onoff: 1, l_linger: 0 };
            // SAFETY: the descriptor is the stream's, and the option's value and size are what it takes.
            let set = unsafe {
                libc::setsockopt(
                    stream.as_raw_fd(),
                    libc::SOL_SOCKET,
                    libc::SO_LINGER,
                    (&raw const at_once).cast(),
                    size_of::<libc::linger>() as libc::socklen_t,
                )
            };
            assert_eq!(set, 0);
        }
    });
    for number in 0..200 {
        client.get_status(&format!("j{number}"), &[]).unwrap();
        // Somewhere in here the connection breaks; a call after a millisecond looks first.
        let (begun, pause) = (Instant::now(), Duration::from_micros(number * 4));
        while begun.elapsed() < pause {
            std::hint::spin_loop();
        }
    }
    assert_eq!(BROKEN_PIPES.load(Ordering::SeqCst), 0);
}

#[test]
fn several_at_once_do_not_wait_for_each_other() {
    let server = Server::start();
    let jobs = ["j1", "j2", "j3"];
    for job in jobs {
        server.on(&path(job), Answer::Meet(jobs.len(), Box::new(answer(job))));
    }
    let client = server.client();
    std::thread::scope(|scope| {
        for job in jobs {
            let client = &client;
            scope.spawn(move || assert!(client.get_status(job, &[]).unwrap().contains(job)));
        }
    });
    // And again, by whoever has called before.
    server.on(&path("j4"), answer("j4"));
    client.get_status("j4", &[]).unwrap();
}

#[test]
fn closing_the_client_ends_it_at_once() {
    let server = Server::start();
    server.on("*", Answer::Stall);
    let client = server.client_with(&[("time_scale", "1")]);
    std::thread::scope(|scope| {
        let calls = ["j1", "j2"].map(|job| scope.spawn(|| client.get_status(job, &[]).unwrap_err()));
        asked(&server, 2);
        client.close(10_000).unwrap();
        for call in calls {
            assert_eq!(call.join().unwrap().code, "CLOSED");
        }
    });
    assert_eq!(client.get_status("j3", &[]).unwrap_err().code, "CLOSED");
}

static SIGNALS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count_signal(_: i32) {
    SIGNALS.fetch_add(1, Ordering::SeqCst);
}

/// The program's handler runs on the thread that waits, as with any system call; the call goes on.
#[test]
fn a_signal_does_not_end_it() {
    let server = Server::start();
    for job in ["j1", "j2"] {
        server.on(&path(job), Answer::Meet(2, Box::new(answer(job))));
    }
    // SAFETY: the handler only counts; no flag, so that what waits is interrupted.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = count_signal as *const () as usize;
        assert_eq!(libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut()), 0);
    }
    let client = server.client();
    std::thread::scope(|scope| {
        let (sender, thread) = std::sync::mpsc::channel();
        let client = &client;
        let call = scope.spawn(move || {
            // SAFETY: asks for nothing but its own name.
            sender.send(unsafe { libc::pthread_self() }).unwrap();
            client.get_status("j1", &[]).unwrap()
        });
        let thread = thread.recv().unwrap();
        asked(&server, 1);
        for count in 1..=3 {
            // SAFETY: that thread runs until it is joined below.
            assert_eq!(unsafe { libc::pthread_kill(thread, libc::SIGUSR1) }, 0);
            while SIGNALS.load(Ordering::SeqCst) < count {
                std::thread::yield_now();
            }
        }
        client.get_status("j2", &[]).unwrap();
        assert!(call.join().unwrap().contains("j1"));
    });
    assert_eq!(server.seen().len(), 2, "nothing was asked twice");
}
