//! Hosts before which no proxy stands: the list of `NO_PROXY`.

use std::net::IpAddr;

use ipnet::IpNet;

use super::host::bare;

/// The list. Entries are apart by commas or spaces.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exempt(Vec<Entry>);

/// One entry, and the port that it is for, where it names one.
#[derive(Clone, Debug)]
struct Entry {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Clone, Debug)]
enum Hosts {
    All,
    Network(IpNet),
    /// This name, and every name under it.
    Domain(String),
}

impl Exempt {
    /// Reads the list: `*`, names (with a leading `.` or `*.` or without), addresses, networks such as
    /// `10.0.0.0/8`, each with a port or without. What is none of these is a name that no host has.
    pub(crate) fn parse(list: &str) -> Exempt {
        let entries = list.split(|c: char| c == ',' || c.is_whitespace());
        Exempt(entries.filter(|entry| !entry.is_empty()).map(Entry::parse).collect())
    }

    /// Whether this host, at this port, is reached without a proxy.
    pub(crate) fn has(&self, host: &str, port: u16) -> bool {
        let address = host.parse().ok().map(|address: IpAddr| address.to_canonical());
        let of_port = |entry: &&Entry| entry.port.is_none_or(|named| named == port);
        self.0.iter().filter(of_port).any(|entry| match (&entry.hosts, address) {
            (Hosts::All, _) => true,
            (Hosts::Network(network), Some(address)) => network.contains(&address),
            (Hosts::Domain(domain), None) => is_under(host, domain),
            _ => false,
        })
    }
}

impl Entry {
    fn parse(text: &str) -> Entry {
        if let Some(network) = network(text) {
            return Entry { hosts: Hosts::Network(network), port: None };
        }
        let with_port = text.rsplit_once(':').and_then(|(host, port)| Some((host, Some(port.parse().ok()?))));
        let (host, port) = with_port.unwrap_or((text, None));
        let hosts = match network(host) {
            Some(network) => Hosts::Network(network),
            None if host == "*" => Hosts::All,
            None => {
                let name = host.strip_prefix('*').unwrap_or(host);
                Hosts::Domain(name.trim_matches('.').to_ascii_lowercase())
            }
        };
        Entry { hosts, port }
    }
}

/// An address, or several by the length of what they share; an IPv6 address may have brackets.
fn network(text: &str) -> Option<IpNet> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: IpAddr = bare(address).parse().ok()?;
    match length {
        Some(length) => IpNet::new(address, length.parse().ok()?).ok(),
        None => Some(IpNet::from(address.to_canonical())),
    }
}

fn is_under(host: &str, domain: &str) -> bool {
    let host = host.trim_end_matches('.');
    let Some(at) = host.len().checked_sub(domain.len()) else { return false };
    let ends_so = host.get(at..).is_some_and(|end| end.eq_ignore_ascii_case(domain));
    ends_so && !domain.is_empty() && (at == 0 || host.as_bytes()[at - 1] == b'.')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn entries_are_read_as_people_write_them() {
        for (list, host, port, is_exempt) in [
            ("*", "10.1.2.3", 443, true),
            ("*", "a.example", 443, true),
            ("b.example, *.example", "a.example", 443, true),
            ("*.example", "notexample", 443, false),
            (".example", "example", 443, true),
            ("example", "A.EXAMPLE.", 443, true),
            ("ample", "a.example", 443, false),
            ("a.example:8443", "a.example", 443, false),
            ("a.example:8443 c", "a.example", 8443, true),
            ("10.0.0.0/8", "10.1.2.3", 443, true),
            ("10.0.0.0/8", "::ffff:10.1.2.3", 443, true),
            ("10.0.0.0/8", "11.1.2.3", 443, false),
            ("10.1.2.3:80", "10.1.2.3", 443, false),
            ("10.1.2.3:443", "10.1.2.3", 443, true),
            ("[2001:db8::1]", "2001:db8::1", 443, true),
            ("[2001:db8::1]:80", "2001:db8::1", 443, false),
            ("[2001:db8::1]:443", "2001:db8::1", 443, true),
            ("2001:db8::1", "2001:db8::1", 443, true),
            ("2001:db8::/32", "2001:db8:1::1", 443, true),
            ("[2001:db8::]/32", "2001:db8:1::1", 443, true),
            ("10.0.0.0/99", "10.0.0.0", 443, false),
            (", ,.", "a", 443, false),
        ] {
            assert_eq!(Exempt::parse(list).has(host, port), is_exempt, "{list} {host} {port}");
        }
    }

    proptest! {
        #[test]
        fn any_list_is_read(list in "[a-c0-9*.:/,\\[\\] ü-]{0,30}", host in "[a-c0-9.:ü]{0,12}") {
            let _ = Exempt::parse(&list).has(&host, 443);
        }
    }
}
