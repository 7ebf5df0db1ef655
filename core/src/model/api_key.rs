//! The API key, and keeping it (and URL signatures) out of every text.

use std::fmt;

/// An API key. Never printed: its `Debug` says only that there is one.
#[derive(Clone)]
pub(crate) struct ApiKey(String);

/// What the service's keys can consist of: visible ASCII, so that one fits a header line.
pub(crate) fn parse_key(text: &str) -> Result<ApiKey, String> {
    let visible = !text.is_empty() && text.len() <= 4096 && text.bytes().all(|byte| byte.is_ascii_graphic());
    if visible {
        Ok(ApiKey(text.to_owned()))
    } else {
        Err("1 to 4096 visible ASCII characters, no spaces".into())
    }
}

impl ApiKey {
    /// The key itself, for the `Authorization` header and the ledger's hash of it, and nothing else.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// A text from outside made fit to be shown: without this key, and without what a URL in it may keep
    /// secret, its user info and its query. A word counts as a URL also without a scheme, since services
    /// quote paths.
    pub(crate) fn scrub(&self, text: &str) -> String {
        let text = text.replace(&self.0, "[key]");
        text.split_inclusive(ends_word).map(scrub_word).collect()
    }
}

fn ends_word(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '"' | '\'' | '<' | '>' | '(' | ')' | '[' | ']' | ',' | '`')
}

/// A word, and the character that ends it, without user info, query and fragment if it is a URL or a path.
fn scrub_word(word: &str) -> String {
    let (scheme, rest) = match word.find("://") {
        Some(at) => word.split_at(at + 3),
        None => ("", word),
    };
    let authority = if scheme.is_empty() { 0 } else { rest.find(['/', '?', '#']).unwrap_or(rest.len()) };
    let (host, path) = rest.split_at(authority);
    let host = match host.rfind('@') {
        Some(at) => format!("[...]{}", &host[at..]),
        None => host.to_owned(),
    };
    let secret = match path.find(['?', '#']) {
        Some(at) if !scheme.is_empty() || path[at..].contains('=') => at,
        _ => return format!("{scheme}{host}{path}"),
    };
    let end = path.chars().next_back().filter(|c| ends_word(*c));
    format!("{scheme}{host}{}?[...]{}", &path[..secret], end.map(String::from).unwrap_or_default())
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scrub_takes_out_the_key_and_every_query() {
        let key = parse_key("sk-live-per-abc").unwrap();
        let text = "key sk-live-per-abc at https://a.b/c?sig=1&e=2 and (http://d/e?x) https://f/g";
        let clean = key.scrub(text);
        assert_eq!(clean, "key [key] at https://a.b/c?[...] and (http://d/e?[...]) https://f/g");
        for (text, clean) in [
            ("see https://user:s@a.b/c, then", "see https://[...]@a.b/c, then"),
            ("\"https://a.b?s=1\"", "\"https://a.b?[...]\""),
            ("GET /f?sig=s&e=1 HTTP/1.1", "GET /f?[...] HTTP/1.1"),
            ("/f#s=1", "/f?[...]"),
            ("ready? yes=1", "ready? yes=1"),
            ("https://a.b/c?", "https://a.b/c?[...]"),
            ("ü?ü=ü", "ü?[...]"),
        ] {
            assert_eq!(key.scrub(text), clean);
        }
        assert_eq!(format!("{key:?}"), "[key]");
    }

    #[test]
    fn keys_that_do_not_fit_a_header_are_refused() {
        for bad in ["", "a b", "a\nb", "schlüssel"] {
            assert!(parse_key(bad).is_err(), "{bad:?}");
        }
    }
}
