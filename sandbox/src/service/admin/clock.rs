//! The clock of a namespace, in the admin API.

use std::time::Duration;

use serde_json::{Value, json};

use super::admin_request::{AdminRequest, bad};
use crate::clock::SPEED_RANGE;
use crate::http::Response;
use crate::service::namespace::{Namespace, millis};
use crate::service::submission::whole;

const MAX_ADVANCE_MS: u64 = 10 * 365 * 24 * 3600 * 1000;

/// `GET clock`.
pub fn get(admin: &AdminRequest<'_>) -> Result<Response, Response> {
    Ok(Response::json(200, &admin.with_namespace(|namespace| describe(namespace))))
}

/// `POST clock`. All values are checked before the first of them takes effect.
pub fn set(admin: &AdminRequest<'_>) -> Result<Response, Response> {
    admin.check_keys(&["advance_ms", "speed", "frozen"])?;
    let advance = read(&admin.body, "advance_ms", "a whole number, at most ten years", |value| {
        whole(value).filter(|ms| *ms <= MAX_ADVANCE_MS).map(Duration::from_millis)
    })?;
    let speed = read(&admin.body, "speed", "a number from 0.001 to 100000", |value| {
        value.as_f64().filter(|speed| SPEED_RANGE.contains(speed))
    })?;
    let frozen = read(&admin.body, "frozen", "true or false", Value::as_bool)?;
    let clock = admin.with_namespace(|namespace| {
        if let Some(frozen) = frozen {
            namespace.clock.set_frozen(frozen);
        }
        if let Some(speed) = speed {
            namespace.clock.set_speed(speed);
        }
        if let Some(advance) = advance {
            namespace.clock.advance(advance);
        }
        describe(namespace)
    });
    Ok(Response::json(200, &clock))
}

/// The value of a key, if the body has it.
fn read<T>(
    body: &Value,
    name: &str,
    accepted: &str,
    of: impl FnOnce(&Value) -> Option<T>,
) -> Result<Option<T>, Response> {
    match body.get(name) {
        None => Ok(None),
        Some(value) => of(value).map(Some).ok_or_else(|| bad(format!("{name} must be {accepted}"))),
    }
}

/// The clock as JSON.
pub fn describe(namespace: &Namespace) -> Value {
    let clock = &namespace.clock;
    let now = clock.now();
    json!({
        "now_ms": millis(now), "unix": clock.unix(now), "speed": clock.speed(), "frozen": clock.is_frozen(),
    })
}
