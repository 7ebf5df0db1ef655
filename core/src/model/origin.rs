//! The service's origin: scheme, host and port, nothing else.

use std::net::IpAddr;

use url::{Host, Url};

use crate::model::file_url::FileUrl;

/// An origin in normal form.
#[derive(Clone, Debug)]
pub(crate) struct Origin(Url);

impl Origin {
    /// Reads a base URL, or says what in it is not accepted. The sentence does not quote the URL, since it
    /// may hold a password.
    pub(crate) fn parse(text: &str) -> Result<Origin, String> {
        const ACCEPTS: &str = "accepted is an origin only, such as https://app.perceptis.ai";
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(format!("the base URL has spaces or control characters; {ACCEPTS}"));
        }
        if !text.is_ascii() {
            return Err(format!(
                "the base URL is not ASCII: a name that is not is written as xn--...; {ACCEPTS}"
            ));
        }
        let url =
            Url::parse(text).map_err(|error| format!("the base URL can't be read ({error}); {ACCEPTS}"))?;
        let wrong = if !matches!(url.scheme(), "http" | "https") {
            "has a scheme other than http and https"
        } else if !url.username().is_empty() || url.password().is_some() || text.contains('@') {
            "has user info"
        } else if url.query().is_some() {
            "has a query"
        } else if url.fragment().is_some() {
            "has a fragment"
        } else if url.path() != "/" {
            "has a path"
        } else {
            return Ok(Origin(url));
        };
        Err(format!("the base URL {wrong}; {ACCEPTS}"))
    }

    /// In normal form: scheme, host and, where it is not the scheme's own, port.
    pub(crate) fn as_text(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// Host and, where it is not the scheme's own, port: what a request says that it is for.
    pub(crate) fn authority(&self) -> &str {
        self.0.authority()
    }

    /// Whether the traffic is plain text.
    pub(crate) fn is_plain(&self) -> bool {
        self.0.scheme() == "http"
    }

    /// Whether the host is this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        is_loopback(&self.0)
    }

    /// The URL of a path of the service's.
    pub(crate) fn url(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(path);
        url
    }

    /// A download URL as the service gave it, absolute or relative to the origin.
    pub(crate) fn resolve(&self, text: &str) -> Option<FileUrl> {
        FileUrl::resolve(&self.0, text)
    }
}

/// Whether a URL's host is this machine: 127.0.0.0/8, ::1, or `localhost`.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        Some(Host::Domain(name)) => is_loopback_name(name),
        None => false,
    }
}

/// The same of a name or an address by itself.
pub(crate) fn is_loopback_name(name: &str) -> bool {
    match name.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => name.strip_suffix('.').unwrap_or(name).eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_origins_are_accepted() {
        for good in [
            "https://app.perceptis.ai",
            "https://app.perceptis.ai/",
            "http://127.0.0.1:80",
            "http://[::1]:1",
            "https://xn--mnchen-3ya.example",
        ] {
            Origin::parse(good).unwrap();
        }
        for (bad, says) in [
            ("https://a/api", "path"),
            ("https://a/?x=1", "query"),
            ("https://a?", "query"),
            ("https://a#x", "fragment"),
            ("https://me:secret@a", "user info"),
            ("https://@a", "user info"),
            ("ftp://a", "scheme"),
            ("a", "can't be read"),
            (" https://a", "spaces"),
            ("", "can't be read"),
            ("https://münchen.example", "xn--"),
        ] {
            let error = Origin::parse(bad).unwrap_err();
            assert!(error.contains(says) && !error.contains("secret"), "{bad}: {error}");
        }
    }
}
