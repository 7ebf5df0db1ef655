//! The layers that a call passes: access, idempotency, the response, its body, its file, and the wire. On
//! each, the scenario that applies changes what the service does.

use super::call::Call;
use super::context::Context;
use super::fault::{Endpoint, Fault, Layer};
use super::refusals::unauthorized;
use super::scenario::Scenario;
use super::{canned, corruption, endpoints};
use crate::http::{Body, Response, Wire};

/// The layers that are matched together. Access and idempotency come before them.
const LAYERS: [Layer; 4] = [Layer::Response, Layer::Body, Layer::File, Layer::Wire];

/// Answers a call.
pub fn answer(context: &Context, call: &mut Call<'_>, endpoint: Endpoint) -> Response {
    if let (Endpoint::Status, Some(job), Some(bearer)) = (endpoint, &call.job, &call.bearer) {
        context.lock().namespace(&call.namespace).watch_pace(job, &bearer.key);
    }
    let access = call.matching_one(&mut context.lock(), endpoint, Layer::Access);
    if let Some(refusal) = access.and_then(|scenario| access_refusal(scenario.fault)) {
        return refusal;
    }
    call.key_policy = call.matching_one(&mut context.lock(), endpoint, Layer::Idempotency);
    let kept = kept_error(context, call);
    let layers = if kept.is_some() { &LAYERS[1..] } else { &LAYERS[..] };
    let scenarios = call.matching(&mut context.lock(), endpoint, layers);
    call.entry.faults.extend(scenarios.iter().map(|scenario| scenario.text.clone()));
    let on = |layer: Layer| scenarios.iter().find(|scenario| scenario.layer == layer);

    let instead = kept.or_else(|| on(Layer::Response).and_then(canned::response));
    let mut response = instead.unwrap_or_else(|| match endpoint {
        Endpoint::Generate => endpoints::generate(context, call),
        Endpoint::Status => endpoints::status(context, call),
        Endpoint::Download => endpoints::download(context, call, on(Layer::File)),
    });
    match on(Layer::Response).map(|scenario| scenario.fault) {
        Some(Fault::MadeThen(status)) => response = made_then(status),
        // This conflict is over once the other request is answered.
        Some(Fault::Http(409, "request_in_progress")) => call.conflicts = true,
        _ => {}
    }
    keep_error(context, call, &response);
    corrupt(&mut response, on);
    response
}

fn access_refusal(fault: Fault) -> Option<Response> {
    match fault {
        Fault::Revoked => Some(unauthorized("the API key was revoked")),
        Fault::UnknownKey => Some(unauthorized("the API key is unknown")),
        Fault::Trial => {
            let message = "the API needs a paid Business or Enterprise plan";
            Some(Response::error(403, "not_eligible", message))
        }
        _ => None,
    }
}

/// The response that hides a submission's success.
fn made_then(status: u16) -> Response {
    let response = Response::error(status, "internal", "the job was created all the same");
    if status == 302 { response.with("location", "/elsewhere") } else { response }
}

/// Applies the scenarios that change a finished response.
fn corrupt<'a>(response: &mut Response, on: impl Fn(Layer) -> Option<&'a Scenario>) {
    if let Some(scenario) = on(Layer::File) {
        corruption::corrupt_delivery(response, scenario);
    }
    if let Some(scenario) = on(Layer::Body) {
        response.remove("content-length");
        corruption::corrupt_body(response, scenario);
    }
    if let Some(Fault::OnTheWire(wire)) = on(Layer::Wire).map(|scenario| scenario.fault) {
        response.wire = wire;
        if matches!(wire, Wire::LengthLong | Wire::LengthShort | Wire::EndsByReset) {
            response.remove("content-length");
        }
    }
}

/// The error that is repeated to this submission, if errors are kept and there was one.
fn kept_error(context: &Context, call: &Call<'_>) -> Option<Response> {
    let (key, text) = call.keeps_errors()?;
    let mut world = context.lock();
    let (status, body) = world.namespace(&call.namespace).store.error(key, text)?;
    Some(Response::new(*status, "application/json", body.clone()))
}

/// Keeps an error if the call asks for that. A rate limit is not kept, since the client could never get below
/// it, and neither is a conflict with another submission.
fn keep_error(context: &Context, call: &Call<'_>, response: &Response) {
    let (Some((key, text)), Body::Bytes(body)) = (call.keeps_errors(), &response.body) else { return };
    if response.status >= 400 && response.status != 429 && !call.conflicts {
        let mut world = context.lock();
        world.namespace(&call.namespace).store.keep_error(key, text, response.status, body);
    }
}
