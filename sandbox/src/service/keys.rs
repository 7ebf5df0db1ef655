//! API keys: who asks. A key is kept as its digest only.

use super::scenario::Scenario;
use crate::hash;

/// Where keys without a namespace of their own are.
pub const DEFAULT: &str = "default";
const PREFIX: &str = "sk-sandbox-";

/// Whose key it is. Keys that differ in their scenarios only are the same key: what was made under one is
/// seen under the other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ApiKey {
    digest: [u8; 32],
}

impl ApiKey {
    /// A short name for the journal, which tells keys apart and nothing else.
    pub fn fingerprint(&self) -> String {
        format!("key_{}", hash::hex(&self.digest[..4]))
    }
}

/// What a key says.
#[derive(Debug)]
pub struct Bearer {
    /// Who asks.
    pub key: ApiKey,
    /// In which namespace.
    pub namespace: String,
    /// With which scenarios.
    pub scenarios: Vec<Scenario>,
}

/// Why a key is not accepted.
#[derive(Debug)]
pub enum Refused {
    /// 401, without quoting it.
    Key(&'static str),
    /// 400: a namespace that can't be, or an unknown scenario.
    Form(String),
}

/// Reads `Authorization: Bearer sk-...`: `sk-sandbox-<namespace>--<scenario>--<scenario>`, or any other key,
/// which is of the namespace `default`.
pub fn read(header: Option<&str>) -> Result<Bearer, Refused> {
    let header = header.ok_or(Refused::Key("the Authorization header is missing"))?;
    let form = Refused::Key("the Authorization header must be: Bearer <key>");
    let Some((scheme, key)) = header.split_once(' ') else { return Err(form) };
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(form);
    }
    let key = key.trim();
    let sound = key.len() > 3 && key.len() <= 1024 && key.starts_with("sk-");
    if !sound || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Refused::Key("the API key is invalid: keys look like sk-..."));
    }
    let Some(rest) = key.strip_prefix(PREFIX) else {
        return Ok(Bearer { key: identity(key), namespace: DEFAULT.into(), scenarios: Vec::new() });
    };
    let mut parts = rest.split("--");
    let name = parts.next().unwrap_or_default();
    let scenarios: Result<Vec<Scenario>, String> =
        parts.filter(|part| !part.is_empty()).filter(|part| !is_user(part)).map(Scenario::parse).collect();
    // Silently in another namespace, tests that should share nothing would.
    if !name.is_empty() && !is_namespace(name) {
        return Err(Refused::Form(NAMESPACES.to_owned()));
    }
    // Which key of the organization it is: user=2 is another than user=1, and sees none of its jobs.
    let user: String = rest.split("--").filter(|part| is_user(part)).collect();
    Ok(Bearer {
        key: identity(&format!("{PREFIX}{name}--{user}")),
        namespace: if name.is_empty() { DEFAULT.to_owned() } else { name.to_owned() },
        scenarios: scenarios.map_err(|message| Refused::Form(format!("{message}, and user=N")))?,
    })
}

/// What a namespace can be called, in words.
pub const NAMESPACES: &str = "a namespace is 1 to 64 letters, digits, '-', '_' and '.'";

/// What a namespace can be called.
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
    fn keys_name_their_namespace_and_scenarios() {
        let bearer = |key: &str| read(Some(&format!("Bearer {key}"))).unwrap();
        assert_eq!(bearer("sk-live-1").namespace, "default");
        assert_eq!(bearer("sk-sandbox-t1").namespace, "t1");
        let with = bearer("sk-sandbox-t1--http_503@status*2--takes=5");
        assert_eq!((with.namespace.as_str(), with.scenarios.len()), ("t1", 2));
        assert_eq!(with.key, bearer("sk-sandbox-t1").key, "scenarios do not make another key");
        assert_ne!(bearer("sk-sandbox-t1--user=2").key, bearer("sk-sandbox-t1").key);
        for refused in ["sk-sandbox-t1--nonsense", "sk-sandbox-t/1", "sk-sandbox-t:1--takes=1"] {
            assert!(matches!(read(Some(&format!("Bearer {refused}"))), Err(Refused::Form(_))), "{refused}");
        }
    }
}
