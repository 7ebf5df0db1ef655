//! The program as a child process of the test, its memory and time, and a connection for many requests.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::panic)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;

/// The unit in which Linux reports processor times.
const TICK: Duration = Duration::from_millis(10);

/// A sandbox in its own process. It ends when this is dropped.
pub struct Program {
    child: Child,
    pub url: String,
}

impl Program {
    pub fn start() -> Program {
        Program::run(&mut Command::new(env!("CARGO_BIN_EXE_perceptis-sandbox")))
    }

    /// Starts it with a limit of so many descriptors.
    pub fn with_descriptors(count: u32) -> Program {
        let script = format!("ulimit -n {count}; exec \"$0\"");
        Program::run(Command::new("sh").args(["-c", &script, env!("CARGO_BIN_EXE_perceptis-sandbox")]))
    }

    fn run(command: &mut Command) -> Program {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        Program { child, url: ready["base_url"].as_str().unwrap().to_owned() }
    }

    /// Its memory, in KiB.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
    }

    /// Its processor time so far.
    pub fn busy(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // After the name, which may have any characters, comes field 3; the times are fields 14 and 15.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: u32 = fields[11].parse::<u32>().unwrap() + fields[12].parse::<u32>().unwrap();
        TICK * ticks
    }

    /// Ends it. Returns what it wrote to standard error.
    pub fn end(mut self) -> String {
        self.child.kill().unwrap();
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        said
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection that stays open.
pub struct Connection {
    stream: TcpStream,
    host: String,
    key: String,
    buffer: Vec<u8>,
}

impl Connection {
    pub fn to(url: &str, key: &str) -> Connection {
        let host = url.strip_prefix("http://").unwrap().to_owned();
        let stream = TcpStream::connect(&host).unwrap();
        stream.set_nodelay(true).unwrap();
        Connection { stream, host, key: key.to_owned(), buffer: vec![0; 64 << 10] }
    }

    /// Submits a job with a usual prompt. Returns its id.
    pub fn submit(&mut self, number: usize) -> String {
        let prompt = "revenue by region, what we learned, what is next, risks.";
        let prompt = format!("Quarterly review {number}: {prompt}");
        let body = format!(r#"{{"prompt":"{prompt}","output_type":"deck"}}"#);
        let response = self.ask("POST", "/api/v1/generate", &body);
        let id = response.split(r#""job_id":""#).nth(1).unwrap_or_else(|| panic!("{response}"));
        id.split('"').next().unwrap().to_owned()
    }

    /// Sends a request. Returns the body of the response, which is a text.
    pub fn ask(&mut self, method: &str, path: &str, body: &str) -> String {
        String::from_utf8(self.fetch(method, path, body)).unwrap()
    }

    /// Sends a request. Returns the body of the response.
    pub fn fetch(&mut self, method: &str, path: &str, body: &str) -> Vec<u8> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let idempotency = if method == "POST" {
            format!("Idempotency-Key: 0e0c4a2e-{number:027}\r\n")
        } else {
            String::new()
        };
        let text = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nAccept: */*\r\n\
             Content-Type: application/json\r\n{idempotency}Content-Length: {}\r\n\r\n{body}",
            self.host,
            self.key,
            body.len()
        );
        self.stream.write_all(text.as_bytes()).unwrap();
        let mut end = 0;
        loop {
            let count = self.stream.read(&mut self.buffer[end..]).unwrap();
            assert!(count > 0, "the connection ended");
            end += count;
            let Some(start) = self.buffer[..end].windows(4).position(|four| four == b"\r\n\r\n") else {
                continue;
            };
            let head = std::str::from_utf8(&self.buffer[..start]).unwrap();
            let length = head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap();
            let whole = start + 4 + length.parse::<usize>().unwrap();
            if end >= whole {
                return self.buffer[start + 4..whole].to_vec();
            }
            self.buffer.resize(self.buffer.len().max(whole), 0);
        }
    }
}

/// Gives this process and its children at least so many descriptors, or fails the test.
pub fn need_descriptors(count: u64) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= count) {
        return;
    }
    let wanted = Rlimit { current: Some(count), ..limit };
    setrlimit(Resource::Nofile, wanted).unwrap_or_else(|error| {
        panic!("this test needs {count} descriptors, and may have {limit:?} ({error}): raise `ulimit -Hn`")
    });
}
