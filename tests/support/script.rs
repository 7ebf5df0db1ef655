//! A server that answers the n-th request for each path with the n-th answer of a script, byte for byte, and
//! remembers what it was asked. For what a faithful sandbox does not do.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Instant;

use super::Ledger;

/// One request, as it came over the wire.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// When it had come whole.
    pub at: Instant,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Lets all go that is held when it is dropped: a test that fails must not leave a call waiting for it.
pub struct Freedom<'a>(&'a Server);

impl Drop for Freedom<'_> {
    fn drop(&mut self) {
        self.0.state.state.lock().unwrap().all_free = true;
        self.0.state.changed.notify_all();
    }
}

/// One answer.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A whole answer: status, headers, body.
    Full(u16, Vec<(String, String)>, Vec<u8>),
    /// These bytes, then the connection ends.
    Raw(Vec<u8>),
    /// The connection ends after the request was read.
    Drop,
    /// Nothing, until the client gives up.
    Stall,
    /// This answer, once so many requests wait for one such at the same time.
    Meet(usize, Box<Answer>),
    /// This answer, once the test lets it go; see [`Server::let_go`].
    Held(Box<Answer>),
}

impl Answer {
    pub fn json(status: u16, body: &str) -> Answer {
        Answer::Full(status, vec![("Content-Type".into(), "application/json".into())], body.into())
    }

    pub fn error(status: u16, code: &str) -> Answer {
        Answer::json(status, &format!(r#"{{"error":{{"code":"{code}","message":"said {code}"}}}}"#))
    }

    pub fn file(body: &[u8]) -> Answer {
        Answer::Full(200, vec![("ETag".into(), "\"one\"".into())], body.into())
    }

    #[must_use]
    pub fn held(self) -> Answer {
        Answer::Held(Box::new(self))
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Answer {
        if let Answer::Full(_, headers, _) = &mut self {
            headers.push((name.into(), value.into()));
        }
        self
    }
}

#[derive(Default)]
struct State {
    /// What is left to answer for a path; the last answer is repeated.
    answers: HashMap<String, Vec<Answer>>,
    seen: Vec<Seen>,
    meeting: usize,
    met: usize,
    /// The paths of the answers that may go, though they are held.
    free: Vec<String>,
    all_free: bool,
}

/// The server, on a port of its own, until the test's process ends.
#[derive(Clone)]
pub struct Server {
    pub base_url: String,
    state: Arc<Shared>,
    /// The ledger of its clients: in one that others share there can be submissions to an earlier server at this port.
    ledger: Arc<Ledger>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Server {
    pub fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let state: Arc<Shared> = Arc::default();
        let server = Server { base_url, state: Arc::clone(&state), ledger: Arc::default() };
        thread::spawn(move || {
            for stream in listener.incoming() {
                let state = Arc::clone(&state);
                thread::spawn(move || serve(&stream.unwrap(), &state));
            }
        });
        server
    }

    /// Adds an answer to those for this path (`*` for all without their own).
    pub fn on(&self, path: &str, answer: Answer) -> &Server {
        self.state.state.lock().unwrap().answers.entry(path.into()).or_default().push(answer);
        self
    }

    /// The script of a job `j1` that is accepted, processed and completed with these files.
    pub fn job(&self, urls: &[&str]) -> &Server {
        let downloads: Vec<String> = urls
            .iter()
            .enumerate()
            .map(|(at, url)| {
                format!(r#"{{"url":"{}{url}","format":"pptx","variant":{}}}"#, self.base_url, at + 1)
            })
            .collect();
        self.on("/api/v1/generate", accepted())
            .on("/api/v1/status/j1", status("processing", "[]"))
            .on("/api/v1/status/j1", status("completed", &format!("[{}]", downloads.join(","))))
    }

    /// The same in the place of all that were added before.
    pub fn only(&self, path: &str, answer: Answer) -> &Server {
        self.state.state.lock().unwrap().answers.insert(path.into(), vec![answer]);
        self
    }

    /// Waits until it has been asked so often.
    pub fn until_seen(&self, count: usize) {
        let state = self.state.state.lock().unwrap();
        drop(self.state.changed.wait_while(state, |state| state.seen.len() < count).unwrap());
    }

    /// Lets one held answer of this path go, now or when there is one.
    pub fn let_go(&self, path: &str) {
        self.state.state.lock().unwrap().free.push(path.to_owned());
        self.state.changed.notify_all();
    }

    /// For the scope in which calls wait for what is held.
    #[must_use]
    pub fn free_at_last(&self) -> Freedom<'_> {
        Freedom(self)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.state.state.lock().unwrap().seen.clone()
    }

    /// The requests for a path.
    pub fn seen_at(&self, path: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.path == path).collect()
    }

    /// A client of this server, whose time runs two hundred times as fast: a minute's deadline is 300 ms.
    pub fn client(&self) -> super::api::Client {
        self.client_with(&[])
    }

    pub fn client_with(&self, pairs: &[(&str, &str)]) -> super::api::Client {
        super::api::Client::new(&self.pairs(pairs)).unwrap()
    }

    /// The configuration of a client of this server; what comes last counts.
    pub fn pairs<'a>(&'a self, further: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let mut all =
            vec![("api_key", "sk-test-secret"), ("api_base_url", &self.base_url), ("time_scale", "200")];
        all.push(("ledger", self.ledger.path()));
        all.extend_from_slice(further);
        all
    }
}

/// The answer to an accepted submission.
pub fn accepted() -> Answer {
    Answer::json(202, r#"{"job_id":"j1","status":"pending"}"#)
}

/// The answer about the job `j1`.
pub fn status(status: &str, downloads: &str) -> Answer {
    Answer::json(
        200,
        &format!(
            r#"{{"job_id":"j1","status":"{status}","output_type":"deck","downloads":{downloads},"error":null,"new":1.0}}"#
        ),
    )
}

fn serve(stream: &TcpStream, shared: &Shared) {
    // An answer is written in two steps, and no test waits for a delayed acknowledgement.
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream);
    loop {
        let Some(seen) = read_request(&mut reader) else { return };
        let (path, answer) = {
            let mut state = shared.state.lock().unwrap();
            let path = if state.answers.contains_key(&seen.path) { seen.path.clone() } else { "*".into() };
            state.seen.push(seen);
            shared.changed.notify_all();
            let answer = match state.answers.get_mut(&path) {
                Some(answers) if answers.len() > 1 => answers.remove(0),
                Some(answers) => answers[0].clone(),
                None => Answer::error(404, "not_found"),
            };
            (path, answer)
        };
        let answer = match answer {
            Answer::Meet(count, answer) => {
                let mut state = shared.state.lock().unwrap();
                state.meeting += 1;
                state.met = state.met.max(state.meeting);
                shared.changed.notify_all();
                let mut state = shared.changed.wait_while(state, |state| state.met < count).unwrap();
                state.meeting -= 1;
                *answer
            }
            Answer::Held(answer) => {
                let state = shared.state.lock().unwrap();
                let mine = |state: &State| state.free.iter().position(|free| *free == path);
                let waits = |state: &mut State| !state.all_free && mine(state).is_none();
                let mut state = shared.changed.wait_while(state, waits).unwrap();
                if let Some(at) = mine(&state) {
                    state.free.swap_remove(at);
                }
                *answer
            }
            answer => answer,
        };
        let mut writer = stream;
        match answer {
            Answer::Full(status, headers, body) => {
                let mut head = format!("HTTP/1.1 {status} Any\r\nContent-Length: {}\r\n", body.len());
                for (name, value) in headers {
                    head += &format!("{name}: {value}\r\n");
                }
                head += "\r\n";
                if writer.write_all(head.as_bytes()).and_then(|()| writer.write_all(&body)).is_err() {
                    return;
                }
            }
            Answer::Raw(bytes) => {
                let _ = writer.write_all(&bytes);
                let _ = stream.shutdown(Shutdown::Write);
                // Read until the client is gone, so that nothing is lost to a reset.
                let _ = std::io::copy(&mut reader, &mut std::io::sink());
                return;
            }
            Answer::Drop => {
                let _ = stream.shutdown(Shutdown::Both);
                return;
            }
            Answer::Stall => {
                let _ = std::io::copy(&mut reader, &mut std::io::sink());
                return;
            }
            Answer::Meet(..) | Answer::Held(..) => unreachable!("waited for above"),
        }
    }
}

fn read_request(reader: &mut BufReader<&TcpStream>) -> Option<Seen> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut words = line.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut seen = Seen { method, path, headers, body: String::new(), at: Instant::now() };
    let length: u64 = seen.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body).ok()?;
    seen.body = String::from_utf8_lossy(&body).into_owned();
    seen.at = Instant::now();
    Some(seen)
}
