//! Scenarios: requests for a fault, as a rule, a header, a key or a prompt writes them.
//!
//! A scenario is written `NAME[=VALUE][@ENDPOINT][*TIMES][+SKIP]`: `http_503@status*2+1` lets one poll pass
//! and fails the next two. The names are in the [catalogue].

use super::catalogue::{self, CATALOGUE, Entry};
use super::fault::{Endpoint, Fault, Layer, RetryAfter};
use crate::http::Wire;

/// The longest time for which connections are refused: the program that asked must be able to ask again.
pub const MAX_REFUSAL_MS: u64 = 60_000;
const MAX_HEADER_KILOBYTES: u64 = 16 << 10;
const MAX_HEADER_LINES: u64 = 10_000;
/// The longest part of an unknown name that an error repeats.
const MAX_SHOWN_CHARS: usize = 60;

/// A scenario as it was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// The scenario as it was written.
    pub text: String,
    /// The fault.
    pub fault: Fault,
    /// The layer of the fault.
    pub layer: Layer,
    /// The endpoints that it applies to.
    pub on: Vec<Endpoint>,
    /// The value: the one that was written, or the default.
    pub value: String,
    /// How often it applies at most.
    pub times: Option<u64>,
    /// How many requests pass first.
    pub skip: u64,
}

impl Scenario {
    /// Reads one scenario, or says what is wrong with it.
    pub fn parse(text: &str) -> Result<Scenario, String> {
        let (rest, skip) = match text.rsplit_once('+') {
            Some((rest, skip)) => (rest, whole_number(skip)?),
            None => (text, 0),
        };
        let (rest, times) = match rest.rsplit_once('*') {
            Some((rest, times)) => (rest, Some(whole_number(times)?)),
            None => (rest, None),
        };
        let (rest, endpoint) = match rest.rsplit_once('@') {
            Some((rest, endpoint)) => (rest, Some(endpoint)),
            None => (rest, None),
        };
        let (name, value) = match rest.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (rest, None),
        };
        let Some(entry) = CATALOGUE.iter().find(|entry| entry.name == name) else {
            let name: String = name.chars().take(MAX_SHOWN_CHARS).collect();
            return Err(format!("unknown scenario {name:?}; the known ones are {}", catalogue::names()));
        };
        let value = match (entry.value, value) {
            (None, Some(_)) => return Err(format!("{name} takes no value")),
            (default, value) => value.or(default).unwrap_or_default().to_owned(),
        };
        let on = endpoints(entry, endpoint)?;
        let fault = with_value(entry.fault, &value)?;
        check_value(name, fault, &value)?;
        Ok(Scenario { text: text.to_owned(), fault, layer: entry.layer, on, value, times, skip })
    }

    /// Reads a list with commas.
    pub fn parse_list(text: &str) -> Result<Vec<Scenario>, String> {
        text.split(',').map(str::trim).filter(|one| !one.is_empty()).map(Scenario::parse).collect()
    }

    /// Reads the directives in a prompt: `[[sandbox: fail_after=3, html*1]]`.
    pub fn in_prompt(prompt: &str) -> Result<Vec<Scenario>, String> {
        let mut found = Vec::new();
        let mut rest = prompt;
        while let Some((_, after)) = rest.split_once("[[sandbox:") {
            let Some((list, after)) = after.split_once("]]") else {
                return Err("a [[sandbox: ...]] directive does not end with ]]".into());
            };
            found.extend(Scenario::parse_list(list)?);
            rest = after;
        }
        Ok(found)
    }

    /// The value as a number.
    pub fn number(&self) -> f64 {
        self.value.parse().unwrap_or(0.0)
    }
}

fn whole_number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text:?} is not a whole number"))
}

/// The endpoints of a scenario: all of its entry, or the one that was written.
fn endpoints(entry: &Entry, written: Option<&str>) -> Result<Vec<Endpoint>, String> {
    let Some(written) = written else { return Ok(entry.on.to_vec()) };
    match Endpoint::parse(written).filter(|endpoint| entry.on.contains(endpoint)) {
        Some(endpoint) => Ok(vec![endpoint]),
        None => {
            let possible: Vec<&str> = entry.on.iter().map(|endpoint| endpoint.name()).collect();
            Err(format!("{} applies to {}, not to {written:?}", entry.name, possible.join(", ")))
        }
    }
}

/// A fault of the wire with the number that the scenario gives it.
fn with_value(fault: Fault, value: &str) -> Result<Fault, String> {
    let Fault::OnTheWire(wire) = fault else { return Ok(fault) };
    Ok(Fault::OnTheWire(match wire {
        Wire::Drip(_) => Wire::Drip(whole_number(value)?),
        Wire::ThenRefused(_) => Wire::ThenRefused(whole_number(value)?.min(MAX_REFUSAL_MS)),
        Wire::HugeHeaders(_) => Wire::HugeHeaders(whole_number(value)?.min(MAX_HEADER_KILOBYTES)),
        Wire::ManyHeaders(_) => Wire::ManyHeaders(whole_number(value)?.min(MAX_HEADER_LINES)),
        wire => wire,
    }))
}

/// Refuses a value that is no number, unless the fault takes any text.
fn check_value(name: &str, fault: Fault, value: &str) -> Result<(), String> {
    let takes_text = matches!(
        fault,
        Fault::UnknownStatus
            | Fault::OtherFormat
            | Fault::Redirect(_)
            | Fault::RedirectTo
            | Fault::ContentEncoding
            | Fault::Limited(RetryAfter::Text)
    );
    let is_number = value.parse::<f64>().is_ok_and(|number| number.is_finite() && number >= 0.0);
    if takes_text || value.is_empty() || is_number {
        return Ok(());
    }
    Err(format!("the value of {name} is a number from 0, not {value:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenario_is_read_with_all_its_parts() {
        let scenario = Scenario::parse("http_429=7@status*2+1").unwrap();
        assert_eq!(scenario.fault, Fault::Limited(RetryAfter::Seconds));
        assert_eq!((scenario.number(), scenario.times, scenario.skip), (7.0, Some(2), 1));
        assert_eq!(scenario.on, [Endpoint::Status]);
        let list = Scenario::in_prompt("x [[sandbox: fail_after=3]] y [[sandbox: html*1, bom]]").unwrap();
        assert_eq!(list.len(), 3);
        assert_eq!(Scenario::parse("drip=5").unwrap().fault, Fault::OnTheWire(Wire::Drip(5)));
    }

    #[test]
    fn scenario_error_says_what_is_accepted() {
        for (bad, says) in [
            ("nonsense", "http_503"),
            ("http_503@download@x", "unknown scenario"),
            ("fail_after@download", "applies to status"),
            ("html=3", "takes no value"),
            ("takes=soon", "is a number"),
            ("takes=-1", "is a number"),
            ("html*x", "whole number"),
        ] {
            let error = Scenario::parse(bad).unwrap_err();
            assert!(error.contains(says), "{bad}: {error}");
        }
        assert!(Scenario::in_prompt("[[sandbox: html").is_err());
    }
}
