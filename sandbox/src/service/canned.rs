//! Canned responses: statuses, rate limits and redirects that a scenario gives in the place of the service's
//! own response.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::fault::{Fault, RetryAfter};
use super::refusals::not_found;
use super::scenario::Scenario;
use crate::http::{Response, http_date};

/// The canned response of a scenario, if it has one.
pub fn response(scenario: &Scenario) -> Option<Response> {
    let error = |status: u16, code: &str| {
        Response::error(status, code, format!("the scenario {} asks for this", scenario.text))
    };
    match scenario.fault {
        Fault::Http(status, code) => {
            let mut response = error(status, code);
            if !scenario.value.is_empty() {
                response.set("retry-after", scenario.value.clone());
            }
            if status == 416 {
                response.set("content-range", "bytes */0");
            }
            Some(response)
        }
        Fault::Limited(form) => {
            let response = error(429, "rate_limit_exceeded");
            Some(match retry_after(form, scenario) {
                Some(value) => response.with("retry-after", value),
                None => response,
            })
        }
        Fault::Redirect(status) => {
            Some(Response::new(status, "text/plain", "").with("location", scenario.value.clone()))
        }
        Fault::NotFoundAtFirst => Some(not_found()),
        Fault::NoCredits => {
            let status = u16::try_from(scenario.number() as u64).unwrap_or(402).clamp(400, 499);
            Some(error(status, "insufficient_credits"))
        }
        Fault::RateLimit => Some(error(429, "rate_limit_exceeded").with("retry-after", "1")),
        _ => None,
    }
}

/// The value of `Retry-After` in this form.
fn retry_after(form: RetryAfter, scenario: &Scenario) -> Option<String> {
    Some(match form {
        RetryAfter::Seconds | RetryAfter::Fraction | RetryAfter::Text => scenario.value.clone(),
        RetryAfter::Date => {
            let ahead = Duration::try_from_secs_f64(scenario.number().abs()).unwrap_or_default();
            http_date(SystemTime::now().checked_add(ahead).unwrap_or_else(SystemTime::now))
        }
        RetryAfter::Negative => "-5".to_owned(),
        RetryAfter::Past => {
            http_date(SystemTime::now().checked_sub(Duration::from_secs(3600)).unwrap_or(UNIX_EPOCH))
        }
        RetryAfter::Huge => "99999999999999999999".to_owned(),
        RetryAfter::Missing => return None,
    })
}
