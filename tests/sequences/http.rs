//! HTTP for the service of these tests: requests read, answers written, byte for byte, a thread for each
//! connection.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use serde_json::Value;

use crate::facts::Answer;
use crate::service::{self, Shared};

/// A request.
pub struct Asking {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// Which of the history's processes sent it, and with which API key.
    pub process: usize,
    pub api: u8,
    pub origin: String,
}

impl Asking {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// An answer, or with the status 0 none: the connection ends.
#[derive(Default)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The connection ends after so many bytes of the body.
    pub cut: Option<usize>,
    /// The job that it is about, and the body of which it is all.
    pub job: Option<usize>,
    pub body_sent: Option<usize>,
}

impl Reply {
    pub fn nothing() -> Reply {
        Reply::default()
    }

    pub fn text(status: u16, body: &str) -> Reply {
        Reply { status, body: body.into(), ..Reply::default() }
    }

    pub fn json(status: u16, body: &Value) -> Reply {
        Reply::text(status, &body.to_string())
    }

    /// A file, or the rest of it that was asked for.
    pub fn file(whole: &[u8], etag: &str, asking: &Asking) -> Reply {
        let same = asking.header("if-range").is_none_or(|given| given == etag);
        let from = asking.header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
        let from: usize = from.filter(|_| same).and_then(|from| from.parse().ok()).unwrap_or(0);
        let etag = ("ETag".to_owned(), etag.to_owned());
        if from == 0 {
            return Reply { status: 200, headers: vec![etag], body: whole.to_vec(), ..Reply::default() };
        }
        if from >= whole.len() {
            let range = format!("bytes */{}", whole.len());
            return Reply {
                status: 416,
                headers: vec![("Content-Range".to_owned(), range)],
                ..Reply::default()
            };
        }
        let range = format!("bytes {from}-{}/{}", whole.len() - 1, whole.len());
        let headers = vec![etag, ("Content-Range".to_owned(), range)];
        Reply { status: 206, headers, body: whole[from..].to_vec(), ..Reply::default() }
    }

    /// What a client can make of it as the answer to a submission: `promise.md`, 2.
    pub fn meaning(&self) -> Answer {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        match self.status {
            200..=299 if body["job_id"].is_string() => Answer::Accepted,
            409 => match body["error"]["code"].as_str() {
                Some("idempotency_conflict" | "ambiguous_template_name") => Answer::Refused,
                _ => Answer::Unknown,
            },
            408 => Answer::Unknown,
            400..=499 => Answer::Refused,
            _ => Answer::Unknown,
        }
    }
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest.as_ref().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The service's door: connections are refused while it is shut, and those that there were end.
#[derive(Default)]
pub struct Door {
    state: Mutex<Standing>,
    changed: Condvar,
    streams: Mutex<Vec<TcpStream>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    #[default]
    Open,
    Shut,
    /// The history is over.
    Gone,
}

impl Door {
    /// Has the door so from now on; returns when it is.
    pub fn stand(&self, address: SocketAddr, standing: Standing) {
        *self.state.lock().unwrap() = standing;
        self.changed.notify_all();
        for stream in self.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        while TcpStream::connect(address).is_ok() != (standing == Standing::Open) {
            thread::yield_now();
        }
    }

    fn standing(&self) -> Standing {
        *self.state.lock().unwrap()
    }
}

/// Serves on a port of its own until the door is gone.
pub fn serve(shared: &Arc<Shared>) -> SocketAddr {
    let mut listener = Some(TcpListener::bind("127.0.0.1:0").unwrap());
    let address = listener.as_ref().unwrap().local_addr().unwrap();
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        loop {
            let accepted = listener.as_ref().and_then(|listener| listener.accept().ok());
            match shared.door.standing() {
                Standing::Gone => return,
                Standing::Shut => {
                    drop(listener.take());
                    let state = shared.door.state.lock().unwrap();
                    drop(shared.door.changed.wait_while(state, |state| *state == Standing::Shut).unwrap());
                    listener = TcpListener::bind(address).ok();
                }
                Standing::Open => {
                    listener = listener.or_else(|| TcpListener::bind(address).ok());
                    let Some((stream, _)) = accepted else { continue };
                    let shared = Arc::clone(&shared);
                    shared.door.streams.lock().unwrap().extend(stream.try_clone());
                    thread::spawn(move || connection(&stream, &shared, &format!("http://{address}")));
                }
            }
        }
    });
    address
}

fn connection(stream: &TcpStream, shared: &Shared, origin: &str) {
    let _ = stream.set_nodelay(true);
    let mut reader = BufReader::new(stream);
    while let Some(asking) = read(&mut reader, origin) {
        let reply = service::answer(shared, &asking);
        let sent = write(stream, &reply, &httpdate(shared.true_date()));
        if let Some(body) = reply.body_sent.filter(|_| sent) {
            let mut facts = shared.lock();
            let at = facts.next();
            facts.bodies[body].sent = Some((at, asking.process));
        }
        if !sent || reply.status == 0 || reply.cut.is_some() {
            let _ = stream.shutdown(Shutdown::Both);
            return;
        }
    }
}

fn write(mut stream: &TcpStream, reply: &Reply, date: &str) -> bool {
    if reply.status == 0 {
        return false;
    }
    let mut head =
        format!("HTTP/1.1 {} Any\r\nDate: {date}\r\nContent-Length: {}\r\n", reply.status, reply.body.len());
    for (name, value) in &reply.headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head += "\r\n";
    let body = &reply.body[..reply.cut.unwrap_or(usize::MAX).min(reply.body.len())];
    stream.write_all(&[head.as_bytes(), body].concat()).is_ok()
}

/// A date as RFC 9110 wants it, 5.6.7.
fn httpdate(time: std::time::SystemTime) -> String {
    let seconds = time.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Howard Hinnant's algorithm for the civil calendar.
    let z = days + 719_468;
    let era = z / 146_097;
    let of_era = z - era * 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let at = |names: &str, at: u64| names.split(' ').nth(usize::try_from(at).unwrap()).unwrap().to_owned();
    format!(
        "{}, {day:02} {} {year} {:02}:{:02}:{:02} GMT",
        at("Thu Fri Sat Sun Mon Tue Wed", days % 7),
        at("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec", month - 1),
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

fn read(reader: &mut BufReader<&TcpStream>, origin: &str) -> Option<Asking> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut words = line.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let origin = origin.to_owned();
    let mut asking = Asking { method, path, headers, body: String::new(), process: 0, api: 0, origin };
    let length: u64 = asking.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body).ok()?;
    if body.len() as u64 != length {
        // The sender died over it: this is no request.
        return None;
    }
    asking.body = String::from_utf8_lossy(&body).into_owned();
    let agent = asking.header("user-agent").and_then(|agent| agent.split(' ').next()?.strip_prefix('p'));
    asking.process = agent?.parse().ok()?;
    asking.api = u8::from(asking.header("authorization").is_some_and(|key| key.ends_with("-1")));
    Some(asking)
}
