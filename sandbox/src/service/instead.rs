//! What is answered in the place of the service's answer: statuses, limits and redirects that a scenario asks
//! for.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::not_found;
use super::scenario::{Fault, RetryAfter, Scenario};
use crate::http::Response;

impl Scenario {
    /// What is answered in the place of the service's answer, if anything is.
    pub(super) fn instead(&self) -> Option<Response> {
        let scenario = self;
        let error = |status: u16, code: &str| {
            Response::error(status, code, format!("the scenario {} asks for it", scenario.text))
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
                let date = |ahead: f64| {
                    let ahead = Duration::try_from_secs_f64(ahead.abs()).unwrap_or_default();
                    crate::http::http_date(
                        SystemTime::now().checked_add(ahead).unwrap_or_else(SystemTime::now),
                    )
                };
                Some(match form {
                    RetryAfter::Seconds | RetryAfter::Fraction | RetryAfter::Text => {
                        response.with("retry-after", scenario.value.clone())
                    }
                    RetryAfter::Date => response.with("retry-after", date(scenario.number())),
                    RetryAfter::Negative => response.with("retry-after", "-5"),
                    RetryAfter::Past => {
                        let past =
                            SystemTime::now().checked_sub(Duration::from_secs(3600)).unwrap_or(UNIX_EPOCH);
                        response.with("retry-after", crate::http::http_date(past))
                    }
                    RetryAfter::Huge => response.with("retry-after", "99999999999999999999"),
                    RetryAfter::Missing => response,
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
}
