//! A request of the admin API: its namespace, its JSON body, and the checks of both.

use serde_json::{Value, json};

use crate::http::{Request, Response};
use crate::service::context::Context;
use crate::service::keys::{DEFAULT, NAMESPACES, is_namespace};
use crate::service::namespace::Namespace;

/// A request of the admin API.
pub struct AdminRequest<'a> {
    /// The context of the service.
    pub context: &'a Context,
    /// The request.
    pub request: &'a Request,
    /// The name of the namespace that it is about.
    pub namespace: String,
    /// The body, a JSON object. It is empty where none was sent.
    pub body: Value,
    /// What follows the first part of the path.
    pub rest: &'a str,
}

impl<'a> AdminRequest<'a> {
    /// Reads the body and the namespace of a request. The namespace is created where there is none.
    pub fn read(
        context: &'a Context,
        request: &'a Request,
        rest: &'a str,
    ) -> Result<AdminRequest<'a>, Response> {
        let body = read_body(request)?;
        let namespace = namespace_of(request, &body).ok_or_else(|| bad(NAMESPACES))?.to_owned();
        context.lock().namespace(&namespace);
        Ok(AdminRequest { context, request, namespace, body, rest })
    }

    /// Reads or changes the namespace.
    pub fn with_namespace<T>(&self, with: impl FnOnce(&mut Namespace) -> T) -> T {
        with(self.context.lock().namespace(&self.namespace))
    }

    /// Refuses a body with other keys than these and `namespace`.
    pub fn check_keys(&self, known: &[&str]) -> Result<(), Response> {
        let is_unknown = |key: &&String| *key != "namespace" && !known.contains(&key.as_str());
        let unknown = self.body.as_object().and_then(|fields| fields.keys().find(is_unknown));
        match unknown {
            Some(unknown) => {
                let known = [&["namespace"], known].concat().join(", ");
                Err(bad(format!("unknown key {unknown:?}; the known ones are {known}")))
            }
            None => Ok(()),
        }
    }

    /// A whole number of the query.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Response> {
        let Some(text) = self.request.parameter(name) else { return Ok(None) };
        let is_whole = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // A number beyond 64 bits is beyond every count.
        match is_whole.then(|| text.parse().unwrap_or(u64::MAX)) {
            Some(number) => Ok(Some(number)),
            None => Err(bad(format!("{name} must be a whole number"))),
        }
    }
}

/// 400, with this message.
pub fn bad(message: impl Into<String>) -> Response {
    Response::error(400, "invalid_request", message)
}

/// The namespace that a request is about: the one of its body, of its query, or the default.
fn namespace_of<'a>(request: &'a Request, body: &'a Value) -> Option<&'a str> {
    let in_query = request.parameter("namespace").unwrap_or(DEFAULT);
    let name = match body.get("namespace") {
        None => in_query,
        Some(name) => name.as_str()?,
    };
    [in_query, name].into_iter().all(is_namespace).then_some(name)
}

fn read_body(request: &Request) -> Result<Value, Response> {
    if request.body.is_empty() {
        return Ok(json!({}));
    }
    match serde_json::from_slice::<Value>(&request.body) {
        Ok(value) if value.is_object() => Ok(value),
        _ => Err(bad("the body must be a JSON object")),
    }
}
