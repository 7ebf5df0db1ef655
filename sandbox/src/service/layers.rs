//! A request on its way through the layers: on each, what strikes it is done to it.

use super::rules::{Source, Target};
use super::scenario::{Endpoint, Fault, Layer, Scenario};
use super::{Call, Service, World, breakage, unauthorized};
use crate::http::{Body, Response, Wire};

/// What is struck while a request is answered. Access and idempotency are judged where they belong.
const LAYERS: [Layer; 4] = [Layer::Request, Layer::Body, Layer::File, Layer::Wire];

impl Service {
    /// One request through all layers: who may ask, what is answered, and what is done to that.
    pub(super) fn through_the_layers(&self, call: &mut Call<'_>, endpoint: Endpoint) -> Response {
        if let (Endpoint::Status, Some(job), Some(bearer)) = (endpoint, &call.job, &call.bearer) {
            self.lock().namespace(&call.namespace, self.speed).watch_pace(job, &bearer.key);
        }
        let access = self.strike_one(&mut self.lock(), call, endpoint, Layer::Access);
        match access.map(|scenario| scenario.fault) {
            Some(Fault::Revoked) => return unauthorized("the API key was revoked"),
            Some(Fault::UnknownKey) => return unauthorized("the API key is unknown"),
            Some(Fault::Trial) => {
                return Response::error(
                    403,
                    "not_eligible",
                    "the API needs a paid Business or Enterprise plan",
                );
            }
            _ => {}
        }
        call.keeping = self.strike_one(&mut self.lock(), call, endpoint, Layer::Idempotency);
        let kept = self.kept_error(call);
        let layers = if kept.is_some() { &LAYERS[1..] } else { &LAYERS[..] };
        let struck = strike(&mut self.lock(), self.speed, call, endpoint, layers);
        call.entry.faults.extend(struck.iter().map(|scenario| scenario.text.clone()));
        let on = |layer: Layer| struck.iter().find(|scenario| scenario.layer == layer);
        let request = on(Layer::Request);
        let mut response = match kept.or_else(|| request.and_then(Scenario::instead)) {
            Some(response) => response,
            None => match endpoint {
                Endpoint::Generate => self.generate(call),
                Endpoint::Status => self.status(call),
                Endpoint::Download => self.download(call, on(Layer::File)),
            },
        };
        if let Some(Fault::MadeThen(status)) = request.map(|scenario| scenario.fault) {
            response = Response::error(status, "internal", "the job was made all the same");
            if status == 302 {
                response.set("location", "/elsewhere");
            }
        }
        // Over once the other request is answered.
        call.conflicts |=
            request.is_some_and(|scenario| scenario.fault == Fault::Http(409, "request_in_progress"));
        self.keep_error(call, &response);
        if let Some(scenario) = on(Layer::File) {
            breakage::break_delivery(&mut response, scenario);
        }
        if let Some(scenario) = on(Layer::Body) {
            response.remove("content-length");
            breakage::break_body(&mut response, scenario);
        }
        if let Some(Fault::OnTheWire(wire)) = on(Layer::Wire).map(|scenario| scenario.fault) {
            response.wire = wire;
            if matches!(wire, Wire::LengthLong | Wire::LengthShort | Wire::EndsByReset) {
                response.remove("content-length");
            }
        }
        response
    }

    /// The error that is repeated to this submission, if errors are kept and there was one.
    fn kept_error(&self, call: &Call<'_>) -> Option<Response> {
        let (key, text) = call.keeps_errors()?;
        let mut world = self.lock();
        let (status, body) = world.namespace(&call.namespace, self.speed).store.error(key, text)?;
        Some(Response::new(*status, "application/json", body.clone()))
    }

    /// Keeps an error. Not a limit, which no client would ever get under again, nor that the key is another
    /// submission's.
    fn keep_error(&self, call: &Call<'_>, response: &Response) {
        let (Some((key, text)), Body::Bytes(body)) = (call.keeps_errors(), &response.body) else { return };
        if response.status >= 400 && response.status != 429 && !call.conflicts {
            let mut world = self.lock();
            world.namespace(&call.namespace, self.speed).store.keep_error(key, text, response.status, body);
        }
    }

    /// The scenario of a layer that strikes a call, counted and noted.
    pub(super) fn strike_one(
        &self,
        world: &mut World,
        call: &mut Call<'_>,
        endpoint: Endpoint,
        layer: Layer,
    ) -> Option<Scenario> {
        let struck = strike(world, self.speed, call, endpoint, &[layer]).into_iter().next()?;
        call.entry.faults.push(struck.text.clone());
        Some(struck)
    }
}

/// The scenarios of these layers that strike a call, strongest first, counted.
pub(super) fn strike(
    world: &mut World,
    speed: f64,
    call: &Call<'_>,
    endpoint: Endpoint,
    layers: &[Layer],
) -> Vec<Scenario> {
    let namespace = world.namespace(&call.namespace, speed);
    let job = call.job.as_deref();
    let known = job.and_then(|job| namespace.store.job(job));
    let own = known.map_or_else(|| call.own.clone(), |job| job.wanted.scenarios.clone());
    let of_key = match &call.bearer {
        Some(bearer) => bearer.scenarios.clone(),
        None => known.map(|job| job.key_scenarios.clone()).unwrap_or_default(),
    };
    let sources = [
        Source { name: "header", scenarios: &call.header },
        Source { name: "key", scenarios: &of_key },
        Source { name: job.unwrap_or("prompt"), scenarios: &own },
    ];
    let target = Target {
        endpoint,
        method: &call.request.method,
        path: &call.request.path,
        job,
        key: call.bearer.as_ref().map(|bearer| &bearer.key),
        idempotency_key: call.request.header("idempotency-key"),
        again: call.request.parameter("again").is_some(),
    };
    namespace.strike(&target, &sources, layers)
}
