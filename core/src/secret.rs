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
    /// The key itself, for the `Authorization` header and nothing else.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// A text from outside made fit to be shown: without this key, and without the query of any URL.
    pub(crate) fn scrub(&self, text: &str) -> String {
        let mut rest = text.replace(&self.0, "[key]");
        let mut clean = String::with_capacity(rest.len());
        // Everything from '?' to the end of the word goes, in any word that looks like a URL.
        while let Some(scheme) = rest.find("://") {
            let after = &rest[scheme..];
            let end = after
                .find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | ')' | ','))
                .map_or(rest.len(), |at| scheme + at);
            let url = &rest[..end];
            match url[scheme..].find(['?', '#']) {
                Some(at) => {
                    clean.push_str(&url[..scheme + at]);
                    clean.push_str("?[...]");
                }
                None => clean.push_str(url),
            }
            rest = rest[end..].to_owned();
        }
        clean.push_str(&rest);
        clean
    }
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
        assert_eq!(format!("{key:?}"), "[key]");
    }

    #[test]
    fn keys_that_do_not_fit_a_header_are_refused() {
        for bad in ["", "a b", "a\nb", "schlüssel"] {
            assert!(parse_key(bad).is_err(), "{bad:?}");
        }
    }
}
