//! The URLs of files. What the service has signed goes out byte for byte: a signature is of bytes, and not of
//! a URL's normal form, in which `'` is `%27`.

use hyper::Uri;
use hyper::http::uri::PathAndQuery;
use url::Url;

/// One such URL. Has no `Debug`: it is a secret for as long as it holds.
#[derive(Clone)]
pub(crate) struct FileUrl {
    /// In normal form: where it leads.
    url: Url,
    /// The same with path and query as they were given: as it is sent.
    uri: Uri,
}

impl FileUrl {
    /// A URL as it was given, absolute or relative to this one.
    pub(crate) fn resolve(base: &Url, text: &str) -> Option<FileUrl> {
        // As URLs are read everywhere (WHATWG URL, 4.4): ends are trimmed, and line ends within are none.
        let text = text.trim_matches(|c: char| c <= ' ').replace(['\t', '\n', '\r'], "");
        // Host names come as they are in DNS, in ASCII; what is encoded in one can be anything.
        if host_of(&text).is_some_and(|host| !host.is_ascii() || host.contains('%')) {
            return None;
        }
        let url = base.join(&text).ok()?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return None;
        }
        let uri = uri_of(&url, &target_of(&url, &text))?;
        Some(FileUrl { url, uri })
    }

    /// Where a redirect from here leads. Its header may hold bytes that no URL has: they are percent-encoded.
    pub(crate) fn redirected(&self, location: &[u8]) -> Option<FileUrl> {
        FileUrl::resolve(&self.url, &encoded(location, |byte| !byte.is_ascii()))
    }

    /// In normal form.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// As it is sent.
    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }
}

/// What is sent for this path and query; `None`: no request can be made of it.
fn uri_of(url: &Url, target: &str) -> Option<Uri> {
    // In its normal form where it has a byte that no request line can have.
    let target =
        PathAndQuery::try_from(sendable(target)).or_else(|_| PathAndQuery::try_from(normal_target(url)));
    let host = url.host_str()?;
    let authority = match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    Uri::builder().scheme(url.scheme()).authority(authority).path_and_query(target.ok()?).build().ok()
}

fn normal_target(url: &Url) -> String {
    url[url::Position::BeforePath..url::Position::AfterQuery].to_owned()
}

/// The host and port of a text, where it has its own.
fn host_of(text: &str) -> Option<&str> {
    let is_slash = |c: char| matches!(c, '/' | '\\');
    let scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let after_scheme = text.trim_start_matches(scheme).strip_prefix(':');
    let rest = after_scheme.unwrap_or(text);
    let after_slashes = rest.trim_start_matches(is_slash);
    if after_scheme.is_none() && rest.len() - after_slashes.len() < 2 {
        return None;
    }
    let authority = after_slashes.split(['/', '\\', '?', '#']).next()?;
    authority.rsplit('@').next()
}

/// Path and query of a text that this URL was read from.
fn target_of(url: &Url, text: &str) -> String {
    let text = text.split('#').next().unwrap_or_default();
    let (before, query) = text.split_at(text.find('?').unwrap_or(text.len()));
    let after_scheme = before.split_once("://").map(|(_, rest)| rest).or_else(|| before.strip_prefix("//"));
    let path = match after_scheme {
        Some(rest) => &rest[rest.find('/').unwrap_or(rest.len())..],
        None if before.starts_with('/') => before,
        None => "",
    };
    // What is relative is resolved, with all that belongs to that.
    let is_dots =
        |segment: &str| matches!(segment.replace("%2e", ".").replace("%2E", ".").as_str(), "." | "..");
    if path.is_empty() || before.contains('\\') || path.split('/').any(is_dots) {
        let relative_query = if query.is_empty() && before.is_empty() { url.query() } else { None };
        let query = relative_query.map_or_else(|| query.to_owned(), |query| format!("?{query}"));
        return format!("{}{query}", url.path());
    }
    format!("{path}{query}")
}

/// The same with what no request line can have percent-encoded.
fn sendable(target: &str) -> String {
    encoded(target.as_bytes(), |byte| !byte.is_ascii_graphic())
}

fn encoded(bytes: &[u8], is_encoded: impl Fn(u8) -> bool) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len()), |mut text, &byte| {
        if is_encoded(byte) {
            text += percent_encoding::percent_encode_byte(byte);
        } else {
            text.push(char::from(byte));
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sent(base: &str, text: &str) -> String {
        let url = FileUrl::resolve(&Url::parse(base).unwrap(), text).unwrap();
        url.uri().to_string()
    }

    #[test]
    fn urls_go_out_as_they_were_given() {
        for (text, expected) in [
            ("https://a/f?name='q3'&sig=a%2Bb|c", "https://a/f?name='q3'&sig=a%2Bb|c"),
            ("https://a:8443/x'y;z?a={b}^", "https://a:8443/x'y;z?a={b}^"),
            ("HTTPS://A:443/f?x#fragment", "https://a/f?x"),
            ("https://a?x='", "https://a/?x='"),
            ("https://a", "https://a/"),
            ("/f?x='", "https://base/f?x='"),
            ("//c/f?x='", "https://c/f?x='"),
            ("g?x='", "https://base/dir/g?x='"),
            ("?x='", "https://base/dir/f?x='"),
            ("", "https://base/dir/f?old=1"),
            ("/a/../f?x='/../", "https://base/f?x='/../"),
            (" https://a/f\n?x=' ", "https://a/f?x='"),
            ("https://a/ü ä?x=ü", "https://a/%C3%BC%20%C3%A4?x=%C3%BC"),
            ("https://a/f?x=<'>", "https://a/f?x=%3C%27%3E"),
        ] {
            assert_eq!(sent("https://base/dir/f?old=1", text), expected, "{text}");
        }
        let base = Url::parse("https://a").unwrap();
        for bad in
            ["ftp://a/f", "data:x", "https://", "http://[::1", "https://A\u{fc}", "//A%C3%BC", "http:A\u{fc}"]
        {
            assert!(FileUrl::resolve(&base, bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn redirects_lead_where_their_bytes_say() {
        let url = FileUrl::resolve(&Url::parse("https://a").unwrap(), "/f").unwrap();
        for (location, expected) in [
            ("/gr\u{fc}n?x='".as_bytes(), "https://a/gr%C3%BCn?x='"),
            (b"https://b/gr\xfcn", "https://b/gr%FCn"),
        ] {
            assert_eq!(url.redirected(location).unwrap().uri().to_string(), expected);
        }
    }

    proptest! {
        #[test]
        fn any_url_can_be_sent_or_is_refused(
            text in r"(https://|//|http:|\\\\)?[A-C@%:./?#üÜ -~]{0,40}",
            bytes: Vec<u8>,
        ) {
            let base = Url::parse("https://base/dir/f?old=1").unwrap();
            if let Some(url) = FileUrl::resolve(&base, &text) {
                let uri = url.uri();
                prop_assert!(uri.path().starts_with('/'));
                prop_assert_eq!(uri.scheme_str().unwrap(), url.url().scheme());
                if let Some(next) = url.redirected(&bytes) {
                    prop_assert!(next.uri().path().starts_with('/'));
                }
            }
        }
    }
}
