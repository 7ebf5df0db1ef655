//! The sandbox's admin API, asked without the library.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// Also while connections are refused: whoever asks here is not who is tested.
fn connected(authority: &str) -> TcpStream {
    loop {
        match TcpStream::connect(authority) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                std::thread::sleep(Duration::from_millis(5));
            }
            other => return other.unwrap(),
        }
    }
}

/// Refused connections, until it is dropped.
pub struct Refusal {
    base_url: String,
    /// What was there before goes on, and can end it.
    kept: TcpStream,
}

impl Refusal {
    /// From now on nobody can connect to this sandbox, for a minute at the longest.
    pub fn of(base_url: &str) -> Refusal {
        let (_, authority) = base_url.split_once("://").unwrap();
        let mut kept = connected(authority);
        // It is answered, so that it is not one that only waits to be accepted.
        write!(kept, "GET /_sandbox/clock HTTP/1.1\r\nHost: {authority}\r\n\r\n").unwrap();
        let mut answer = [0; 1024];
        let mut length = 0;
        while !answer[..length].ends_with(b"}") {
            let more = kept.read(&mut answer[length..]).unwrap();
            assert!(more > 0, "{}", String::from_utf8_lossy(&answer));
            length += more;
        }
        ask(base_url, "POST", "/_sandbox/refuse", "", Some(&serde_json::json!({ "ms": 60_000 })));
        assert_eq!(TcpStream::connect(authority).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        Refusal { base_url: base_url.to_owned(), kept }
    }
}

impl Drop for Refusal {
    fn drop(&mut self) {
        let (_, authority) = self.base_url.split_once("://").unwrap();
        let request = "POST /_sandbox/refuse HTTP/1.1";
        let _ = write!(self.kept, "{request}\r\nHost: {authority}\r\nContent-Length: 8\r\n\r\n{{\"ms\":0}}");
        drop(connected(authority));
    }
}

/// One request, on a connection of its own. The admin API is plain HTTP on a port that speaks TLS, too.
pub fn ask(base_url: &str, method: &str, path: &str, headers: &str, body: Option<&Value>) -> Value {
    let (_, authority) = base_url.split_once("://").unwrap();
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut stream = connected(authority);
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         {headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 2"), "{method} {path}: {answer}");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}
