//! API keys: the identity, namespace and scenarios that a key stands for. Only the digest of a key is kept.

use super::scenario::Scenario;
use crate::hash;

/// The namespace of keys that name none.
pub const DEFAULT: &str = "default";
const PREFIX: &str = "sk-sandbox-";

/// The identity of an API key. Keys that differ only in their scenarios are the same: each sees the jobs of
/// the other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ApiKey {
    digest: [u8; 32],
}

impl ApiKey {
    /// A short name for the journal. It tells keys apart and discloses nothing else.
    pub fn fingerprint(&self) -> String {
        format!("key_{}", hash::hex(&self.digest[..4]))
    }
}

/// What the text of an API key says.
#[derive(Debug)]
pub struct Bearer {
    /// The identity.
    pub key: ApiKey,
    /// The namespace.
    pub namespace: String,
    /// The scenarios.
    pub scenarios: Vec<Scenario>,
}

/// Why an API key is not accepted.
#[derive(Debug)]
pub enum KeyError {
    /// It is no API key: 401. The message does not quote it.
    Invalid(&'static str),
    /// Its namespace or a scenario is wrong: 400.
    Malformed(String),
}

/// Reads `Authorization: Bearer sk-...`: `sk-sandbox-<namespace>--<scenario>--<scenario>`, or any other key.
/// Other keys are in the namespace `default`.
pub fn read(header: Option<&str>) -> Result<Bearer, KeyError> {
    let header = header.ok_or(KeyError::Invalid("the Authorization header is missing"))?;
    let form = KeyError::Invalid("the Authorization header must be: Bearer <key>");
    let Some((scheme, key)) = header.split_once(' ') else { return Err(form) };
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(form);
    }
    let key = key.trim();
    let looks_valid = key.len() > 3 && key.len() <= 1024 && key.starts_with("sk-");
    if !looks_valid || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(KeyError::Invalid("the API key is invalid: keys look like sk-..."));
    }
    let Some(rest) = key.strip_prefix(PREFIX) else {
        return Ok(Bearer { key: identity(key), namespace: DEFAULT.into(), scenarios: Vec::new() });
    };
    let mut parts = rest.split("--");
    let name = parts.next().unwrap_or_default();
    let scenarios: Result<Vec<Scenario>, String> =
        parts.filter(|part| !part.is_empty()).filter(|part| !is_user(part)).map(Scenario::parse).collect();
    // This is an error. In the default namespace, tests that must share nothing would share their jobs.
    if !name.is_empty() && !is_namespace(name) {
        return Err(KeyError::Malformed(NAMESPACES.to_owned()));
    }
    // user=2 is another key of the organization than user=1, and does not see its jobs.
    let user: String = rest.split("--").filter(|part| is_user(part)).collect();
    Ok(Bearer {
        key: identity(&format!("{PREFIX}{name}--{user}")),
        namespace: if name.is_empty() { DEFAULT.to_owned() } else { name.to_owned() },
        scenarios: scenarios.map_err(|message| KeyError::Malformed(format!("{message}, and user=N")))?,
    })
}

/// The names that a namespace can have, in words.
pub const NAMESPACES: &str = "a namespace is 1 to 64 letters, digits, '-', '_' and '.'";

/// Whether a namespace can have this name.
pub fn is_namespace(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

fn is_user(part: &str) -> bool {
    part.starts_with("user=")
}

fn identity(text: &str) -> ApiKey {
    ApiKey { digest: hash::sha256(&[text.as_bytes()]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_names_its_namespace_and_scenarios() {
        let bearer = |key: &str| read(Some(&format!("Bearer {key}"))).unwrap();
        assert_eq!(bearer("sk-live-1").namespace, "default");
        assert_eq!(bearer("sk-sandbox-t1").namespace, "t1");
        let with = bearer("sk-sandbox-t1--http_503@status*2--takes=5");
        assert_eq!((with.namespace.as_str(), with.scenarios.len()), ("t1", 2));
        assert_eq!(with.key, bearer("sk-sandbox-t1").key, "scenarios do not make another key");
        assert_ne!(bearer("sk-sandbox-t1--user=2").key, bearer("sk-sandbox-t1").key);
        for refused in ["sk-sandbox-t1--nonsense", "sk-sandbox-t/1", "sk-sandbox-t:1--takes=1"] {
            assert!(
                matches!(read(Some(&format!("Bearer {refused}"))), Err(KeyError::Malformed(_))),
                "{refused}"
            );
        }
    }
}
