//! API keys: who asks. A key is kept as its digest only.

use crate::hash;

/// Whose key it is.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ApiKey {
    digest: [u8; 32],
}

/// Reads `Authorization: Bearer sk-…`, or says what is wrong with it, without quoting it.
pub fn read(header: Option<&str>) -> Result<ApiKey, &'static str> {
    let header = header.ok_or("the Authorization header is missing")?;
    let Some((scheme, key)) = header.split_once(' ') else {
        return Err("the Authorization header must be: Bearer <key>");
    };
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err("the Authorization header must be: Bearer <key>");
    }
    let key = key.trim();
    let sound = key.len() > 3 && key.starts_with("sk-") && key.bytes().all(|byte| byte.is_ascii_graphic());
    if !sound {
        return Err("the API key is invalid: keys look like sk-...");
    }
    Ok(ApiKey { digest: hash::sha256(&[key.as_bytes()]) })
}
