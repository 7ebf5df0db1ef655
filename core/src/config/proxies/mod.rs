//! Proxies: what the environment names, and which one stands before which host.
//!
//! The variables are those of curl, and the lower case is looked at first: `https_proxy`, `http_proxy`,
//! `all_proxy` and `no_proxy`. This machine is never reached through a proxy.

mod exempt;
pub(crate) mod host;

use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hyper::Uri;
use hyper::header::HeaderValue;
use percent_encoding::percent_decode_str;

use self::host::bare;
use crate::error::Error;
use crate::model::origin::is_loopback_name;
use exempt::Exempt;

/// What a variable's value can be.
const ACCEPTS: &str = "accepted is [SCHEME://][USER:PASSWORD@]HOST[:PORT], where SCHEME is http, https, \
                       socks5, socks5h, socks4 or socks4a; in a password %XX stands for other characters";

/// How one speaks to a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
    /// SOCKS of version 4 or 5. `far`: names are looked up by the proxy, else here.
    Socks {
        version: u8,
        far: bool,
    },
}

impl Scheme {
    fn parse(name: &str) -> Option<Scheme> {
        let scheme = match name.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            "socks5" => Scheme::Socks { version: 5, far: false },
            "socks5h" => Scheme::Socks { version: 5, far: true },
            // As curl has it.
            "socks4" | "socks" => Scheme::Socks { version: 4, far: false },
            "socks4a" => Scheme::Socks { version: 4, far: true },
            _ => return None,
        };
        Some(scheme)
    }

    fn port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
            Scheme::Socks { .. } => 1080,
        }
    }
}

/// A proxy. Its user and password are shown nowhere.
pub(crate) struct Proxy {
    pub(crate) scheme: Scheme,
    /// Scheme, host and port, and nothing else.
    pub(crate) uri: Uri,
    /// The same as people read it.
    name: String,
    /// User and password.
    pub(crate) login: Option<(String, String)>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Proxy {
    /// Reads a variable's value, or says what in it is not accepted. The sentence quotes nothing of it but
    /// the scheme: there may be a password in it.
    fn parse(text: &str) -> Result<Proxy, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let Some(known) = Scheme::parse(scheme) else {
            return Err(if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                format!("the proxy's scheme {scheme:?} is not known")
            } else {
                "the proxy's scheme is not known".to_owned()
            });
        };
        // A password may have every character, an address has no @.
        let (login, place) = match rest.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, rest),
        };
        let place = place.split(['/', '?', '#']).next().unwrap_or_default();
        let authority = place.parse().ok().filter(|authority: &hyper::http::uri::Authority| {
            let (host, port) = (authority.host(), authority.port_u16());
            !host.is_empty() && (port.is_some() || authority.as_str() == host)
        });
        let authority = authority.ok_or("the proxy's host or port can't be read")?;
        let (host, port) = (authority.host(), authority.port_u16().unwrap_or(known.port()));
        let scheme = scheme.to_ascii_lowercase();
        let uri =
            Uri::builder().scheme(scheme.as_str()).authority(format!("{host}:{port}")).path_and_query("/");
        let uri = uri.build().map_err(|_| "the proxy's address can't be read")?;
        let login = login.map(|login| {
            let (user, password) = login.split_once(':').unwrap_or((login, ""));
            let decoded = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
            (decoded(user), decoded(password))
        });
        Ok(Proxy { scheme: known, name: format!("{scheme}://{host}:{port}"), uri, login })
    }

    /// Whether it is asked in HTTP, for a page or for a tunnel.
    pub(crate) fn speaks_http(&self) -> bool {
        matches!(self.scheme, Scheme::Http | Scheme::Https)
    }

    /// What it is to be told of who asks, in HTTP.
    pub(crate) fn authorization(&self) -> Option<HeaderValue> {
        let (user, password) = self.login.as_ref()?;
        let encoded = BASE64_STANDARD.encode(format!("{user}:{password}"));
        let mut value = HeaderValue::try_from(format!("Basic {encoded}")).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// The proxies of a client, as they were when it was made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies {
    http: Option<Arc<Proxy>>,
    https: Option<Arc<Proxy>>,
    exempt: Exempt,
}

impl Proxies {
    /// What the environment names. An empty variable counts as not set.
    ///
    /// # Errors
    /// `Configuration`, naming the variable that can't be used.
    pub(crate) fn read(environment: impl Fn(&str) -> Option<OsString>) -> Result<Proxies, Error> {
        let first = |names: &[&'static str]| {
            names.iter().find_map(|name| {
                let value = environment(name).filter(|value| !value.is_empty())?;
                Some((*name, value.to_string_lossy().trim().to_owned()))
            })
        };
        let proxy = |names: &[&'static str]| {
            let Some((name, value)) = first(names) else { return Ok(None) };
            let wrong =
                |what| Error::configuration(format!("in the environment variable {name}: {what}; {ACCEPTS}"));
            Proxy::parse(&value).map(|proxy| Some(Arc::new(proxy))).map_err(wrong)
        };
        let all = proxy(&["all_proxy", "ALL_PROXY"])?;
        // In a CGI program HTTP_PROXY is what a visitor's header Proxy says.
        let is_cgi = environment("REQUEST_METHOD").is_some();
        let http = proxy(if is_cgi { &["http_proxy"] } else { &["http_proxy", "HTTP_PROXY"] })?;
        let https = proxy(&["https_proxy", "HTTPS_PROXY"])?;
        let exempt = first(&["no_proxy", "NO_PROXY"]).map(|(_, value)| Exempt::parse(&value));
        Ok(Proxies {
            http: http.or_else(|| all.clone()),
            https: https.or(all),
            exempt: exempt.unwrap_or_default(),
        })
    }

    /// The one that stands before this address.
    pub(crate) fn before(&self, there: &Uri) -> Option<&Arc<Proxy>> {
        let host = bare(there.host()?);
        let is_https = there.scheme_str() == Some("https");
        let proxy = if is_https { &self.https } else { &self.http };
        let port = there.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        proxy.as_ref().filter(|_| !is_loopback_name(host) && !self.exempt.has(host, port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Result<Proxies, Error> {
        Proxies::read(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()))
    }

    fn before(variables: &[(&str, &str)], there: &str) -> Option<String> {
        let proxies = proxies(variables).unwrap();
        proxies.before(&there.parse().unwrap()).map(|proxy| proxy.to_string())
    }

    #[test]
    fn variables_are_read_as_curl_reads_them() {
        let (http, https) = ("http://a.example/", "https://a.example/");
        for (variables, there, proxy) in [
            (&[("https_proxy", "p:1"), ("HTTPS_PROXY", "q:1")][..], https, Some("http://p:1")),
            (&[("https_proxy", ""), ("HTTPS_PROXY", "q")], https, Some("http://q:80")),
            (&[("all_proxy", "SOCKS5h://p"), ("http_proxy", "q:1")], https, Some("socks5h://p:1080")),
            (&[("all_proxy", "p:2"), ("http_proxy", "q:1")], http, Some("http://q:1")),
            (&[("HTTP_PROXY", "p:2"), ("REQUEST_METHOD", "GET")], http, None),
            (&[("https_proxy", "https://u:s3cret@[2001:db8::1]/")], https, Some("https://[2001:db8::1]:443")),
            (&[("https_proxy", "u:p/@:#s3cret@h:1")], https, Some("http://h:1")),
            (&[("https_proxy", "p:1")], http, None),
            (&[("https_proxy", "p:1")], "https://[::1]/", None),
            (&[("https_proxy", "p:1")], "https://127.8.9.1/", None),
            (&[("https_proxy", "p:1")], "https://localhost:9/", None),
            (
                &[("https_proxy", "p:1"), ("no_proxy", "b.example"), ("NO_PROXY", "*")],
                https,
                Some("http://p:1"),
            ),
        ] {
            assert_eq!(before(variables, there).as_deref(), proxy, "{variables:?} {there}");
        }
    }

    #[test]
    fn what_is_no_proxy_is_refused_without_its_password() {
        for text in
            ["ftp://u:s3cret@h:1", "http://u:s3cret@", "u:s3cret@h:port", "s3cret@h:99999", "s3cret://h"]
        {
            let error = proxies(&[("all_proxy", text)]).unwrap_err();
            assert!(error.message().contains("all_proxy") && error.message().contains("socks5h"), "{error}");
            assert!(text == "s3cret://h" || !error.message().contains("s3cret"), "{error}");
        }
        let kept = proxies(&[("all_proxy", "u:s3cret@h:1")]).unwrap();
        assert!(!format!("{kept:?}").contains("s3cret"), "{kept:?}");
    }
}
