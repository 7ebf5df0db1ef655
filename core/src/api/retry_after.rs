//! How long an answer asks to wait: `Retry-After` (RFC 9110, 10.2.3) in the forms that services and proxies
//! write.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

use crate::common::clock;

/// As some services write it beside the header that is standard, or in its place.
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
/// A wait longer than any deadline is as good as for ever, and does not overflow.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
/// What may follow a number, and how many milliseconds it is.
const UNITS: [(&str, f64); 14] = [
    ("", 1e3),
    ("s", 1e3),
    ("sec", 1e3),
    ("secs", 1e3),
    ("second", 1e3),
    ("seconds", 1e3),
    ("ms", 1.0),
    ("m", 6e4),
    ("min", 6e4),
    ("minute", 6e4),
    ("minutes", 6e4),
    ("h", 36e5),
    ("hour", 36e5),
    ("hours", 36e5),
];

/// The date of an answer (RFC 9110, 6.6.1).
pub(crate) fn date(headers: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()
}

/// How long the answer asks to wait. Dates are read against its own `Date`; of several words the longest wait
/// counts. What is in the past, negative or unreadable asks for nothing.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let words = |name: &HeaderName| -> Vec<&str> {
        headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect()
    };
    let from = date(headers).unwrap_or_else(clock::date);
    let in_ms = words(&RETRY_AFTER_MS).into_iter().filter_map(|text| number(unquoted(text), 1.0)).max();
    in_ms.or_else(|| words(&RETRY_AFTER).into_iter().filter_map(|text| wait(text, from)).max())
}

fn wait(text: &str, from: SystemTime) -> Option<Duration> {
    let text = unquoted(text);
    if let Some(then) = any_date(text) {
        return then.duration_since(from).ok().filter(|wait| !wait.is_zero()).map(|wait| wait.min(FOREVER));
    }
    text.split(',').filter_map(|one| quantity(unquoted(one))).max()
}

fn unquoted(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\''))
}

/// A number with a unit; without one, seconds.
fn quantity(text: &str) -> Option<Duration> {
    // "inf" is a number and no unit.
    if let Some(wait) = number(text, 1e3) {
        return Some(wait);
    }
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text[digits.len()..].to_ascii_lowercase();
    let (_, ms) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number(digits.trim_end(), *ms)
}

/// A number that is above 0, each of so many milliseconds.
fn number(text: &str, ms: f64) -> Option<Duration> {
    let count: f64 = text.parse().ok()?;
    if count.is_nan() || count <= 0.0 {
        return None;
    }
    let wait = Duration::try_from_secs_f64(count * ms / 1e3).unwrap_or(FOREVER).min(FOREVER);
    // Less than a nanosecond is no wait.
    (!wait.is_zero()).then_some(wait)
}

/// A date as HTTP writes it, also with the zone's other names, or as ISO 8601 does.
fn any_date(text: &str) -> Option<SystemTime> {
    let zoneless = ["UTC", "UT", "Z", "+0000", "-0000"].iter().find_map(|zone| text.strip_suffix(zone));
    let in_http = match zoneless {
        Some(zoneless) => httpdate::parse_http_date(&format!("{} GMT", zoneless.trim_end())).ok(),
        None => httpdate::parse_http_date(text).ok(),
    };
    in_http.or_else(|| iso_date(text))
}

/// `2026-11-24T12:00:09.5+01:00`; with a space for the T, without a fraction, and with Z or nothing for the
/// zone.
fn iso_date(text: &str) -> Option<SystemTime> {
    let (day, time) = text.split_once(['T', 't', ' '])?;
    let mut day = day.splitn(3, '-').map(digits);
    let (year, month, day) = (day.next()??, day.next()??, day.next()??);
    let zone_at = time.find(['Z', 'z', '+', '-']).unwrap_or(time.len());
    let (time, zone) = (&time[..zone_at], &time[zone_at..]);
    let whole = time.split_once('.').map_or(time, |(whole, _)| whole);
    let mut time = whole.splitn(3, ':').map(digits);
    let (hour, minute) = (time.next()??, time.next()??);
    let second = time.next().unwrap_or(Some(0))?;
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    if hour > 24 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    let seconds = u64::try_from(seconds - offset(zone)?).ok()?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// How far a zone is ahead, in seconds: `+01:00`, `+0100`, `+01`.
fn offset(zone: &str) -> Option<i64> {
    let sign = match zone.as_bytes().first() {
        None | Some(b'Z' | b'z') => return Some(0),
        Some(b'-') => -1,
        Some(_) => 1,
    };
    let zone = zone[1..].replace(':', "");
    let (hours, minutes) = zone.split_at_checked(2)?;
    let minutes = if minutes.is_empty() { 0 } else { digits(minutes)? };
    Some(sign * (digits(hours)? * 3600 + minutes * 60))
}

fn digits(text: &str) -> Option<i64> {
    let sound = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if sound { text.parse().ok() } else { None }
}

/// Days since 1970 ("chrono-Compatible Low-Level Date Algorithms", H. Hinnant: `days_from_civil`).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wait(pairs: &[(&'static str, &str)]) -> Option<Duration> {
        let headers =
            pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        retry_after(&headers.collect())
    }

    #[test]
    fn retry_after_is_read_in_all_its_forms() {
        let date = ("date", "Tue, 24 Nov 2026 12:00:00 GMT");
        let read = |text: &str| wait(&[date, ("retry-after", text)]).map(|wait| wait.as_millis());
        for (text, ms) in [
            ("7", Some(7_000)),
            ("1.5", Some(1_500)),
            ("20, 20", Some(20_000)),
            ("20s", Some(20_000)),
            ("20 seconds", Some(20_000)),
            ("2 min", Some(120_000)),
            ("500ms", Some(500)),
            ("\"20\"", Some(20_000)),
            ("Tue, 24 Nov 2026 12:00:09 GMT", Some(9_000)),
            ("Tue, 24 Nov 2026 12:00:09 UTC", Some(9_000)),
            ("Tue, 24 Nov 2026 12:00:09 +0000", Some(9_000)),
            ("2026-11-24T12:00:09Z", Some(9_000)),
            ("2026-11-24 13:00:09.5+01:00", Some(9_000)),
            ("2026-11-24T07:00:09-0500", Some(9_000)),
            ("Tue, 24 Nov 2026 11:00:00 GMT", None),
            ("2026-11-24T11:00:00Z", None),
            ("99999999999999999999999", Some(FOREVER.as_millis())),
            ("1795521600", Some(1_795_521_600_000)),
            ("inf", Some(FOREVER.as_millis())),
            ("Wed, 01 Jan 2200 00:00:00 GMT", Some(FOREVER.as_millis())),
            ("2200-01-01T00:00:00Z", Some(FOREVER.as_millis())),
            ("-5", None),
            ("0", None),
            ("0.0000000000001", None),
            ("soon", None),
            ("", None),
            ("NaN", None),
            ("20 parsecs", None),
        ] {
            assert_eq!(read(text), ms, "{text}");
        }
        assert_eq!(wait(&[]), None);
        assert_eq!(
            wait(&[("retry-after-ms", "1500"), ("retry-after", "7")]),
            Some(Duration::from_millis(1500))
        );
        assert_eq!(wait(&[("retry-after", "7"), ("retry-after", "9")]), Some(Duration::from_secs(9)));
    }

    #[test]
    fn dates_of_iso_8601_are_those_of_http() {
        for (iso, http) in [
            ("1970-01-01T00:00:00Z", "Thu, 01 Jan 1970 00:00:00 GMT"),
            ("2000-02-29T23:59:59Z", "Tue, 29 Feb 2000 23:59:59 GMT"),
            ("2026-12-31 12:00", "Thu, 31 Dec 2026 12:00:00 GMT"),
        ] {
            assert_eq!(iso_date(iso), httpdate::parse_http_date(http).ok(), "{iso}");
        }
    }

    proptest! {
        #[test]
        fn any_retry_after_is_read_or_ignored(
            text in "[0-9eE.+: a-zA-Z,\"-]{0,40}",
            iso in "[0-9]{1,5}-[0-9]{1,3}-[0-9]{1,3}[T ][0-9:.]{0,12}[Z+-]?[0-9:]{0,6}",
            date in "[ -~]{0,40}",
        ) {
            for text in [text, iso] {
                let headers = [(RETRY_AFTER, text), (DATE, date.clone())];
                let headers = headers.map(|(name, text)| (name, text.parse().unwrap()));
                prop_assert!(retry_after(&HeaderMap::from_iter(headers)).is_none_or(|wait| wait <= FOREVER));
            }
        }
    }
}
