//! Rules: which scenarios apply to a request. Rules of the admin API come first, then the header, the key and
//! the prompt.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::fault::{Endpoint, Layer};
use super::keys::ApiKey;
use super::scenario::Scenario;
use super::submission::whole;
use crate::hash;

const MAX_RULES: usize = 1000;
const MAX_COUNTERS: usize = 20_000;

/// A rule of the admin API.
#[derive(Debug)]
pub struct Rule {
    id: u64,
    scenario: Scenario,
    method: Option<String>,
    path: Option<String>,
    job: Option<String>,
    /// The probability with which it applies, and the seed of its random numbers.
    chance: Option<(f64, u64)>,
    seen: u64,
    fired: u64,
}

/// What rules look at in a request.
pub struct Target<'a> {
    /// Its endpoint.
    pub endpoint: Endpoint,
    /// Its method.
    pub method: &'a str,
    /// Its path.
    pub path: &'a str,
    /// The job that its path names.
    pub job: Option<&'a str>,
    /// Its API key.
    pub key: Option<&'a ApiKey>,
    /// Its idempotency key.
    pub idempotency_key: Option<&'a str>,
    /// Whether a redirect of the sandbox led here.
    pub is_redirected: bool,
}

/// Scenarios that come with a request, not from a rule.
pub struct Source<'a> {
    /// `header`, `key` or a job's id. Their counts are kept under this name.
    pub name: &'a str,
    /// The scenarios.
    pub scenarios: &'a [Scenario],
}

/// The rules of a namespace, and the counts of scenarios that came with requests.
#[derive(Debug, Default)]
pub struct Rules {
    rules: Vec<Rule>,
    next: u64,
    counters: HashMap<String, u64>,
}

impl Rules {
    /// Adds a rule from a JSON object, or says what is wrong with it.
    pub fn add(&mut self, value: &Value) -> Result<Value, String> {
        const KEYS: [&str; 9] =
            ["scenario", "namespace", "method", "path", "job", "times", "skip", "probability", "seed"];
        let fields = value.as_object().ok_or("a rule must be a JSON object")?;
        if let Some(unknown) = fields.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(format!("unknown key {unknown:?}; the known ones are {}", KEYS.join(", ")));
        }
        if self.rules.len() >= MAX_RULES {
            return Err(format!("there are {MAX_RULES} rules already"));
        }
        let text = |name: &str| match fields.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(format!("{name} must be a string")),
        };
        let number = |name: &str| match fields.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => whole(value).map(Some).ok_or_else(|| format!("{name} must be a whole number")),
        };
        let mut scenario = Scenario::parse(&text("scenario")?.ok_or("scenario is missing")?)?;
        scenario.times = number("times")?.or(scenario.times);
        scenario.skip = number("skip")?.unwrap_or(scenario.skip);
        let chance = match fields.get("probability") {
            None | Some(Value::Null) => None,
            Some(value) => match value.as_f64() {
                Some(probability) if (0.0..=1.0).contains(&probability) => {
                    Some((probability, number("seed")?.unwrap_or(0)))
                }
                _ => return Err("probability must be a number from 0 to 1".into()),
            },
        };
        self.next += 1;
        let rule = Rule {
            id: self.next,
            scenario,
            method: text("method")?,
            path: text("path")?,
            job: text("job")?,
            chance,
            seen: 0,
            fired: 0,
        };
        let described = rule.describe();
        self.rules.push(rule);
        Ok(described)
    }

    /// The rules, with how often each fired.
    pub fn list(&self) -> Vec<Value> {
        self.rules.iter().map(Rule::describe).collect()
    }

    /// Removes one rule or all. Returns whether the rule existed.
    pub fn remove(&mut self, id: Option<u64>) -> bool {
        let before = self.rules.len();
        self.rules.retain(|rule| id.is_some_and(|id| rule.id != id));
        self.rules.len() < before || id.is_none()
    }

    /// The scenarios that apply to this request, the strongest of each layer. They are counted. A scenario
    /// that would change nothing, as `takes_effect` says, neither applies nor counts.
    pub fn matching(
        &mut self,
        target: &Target<'_>,
        sources: &[Source<'_>],
        layers: &[Layer],
        mut takes_effect: impl FnMut(&Scenario) -> bool,
    ) -> Vec<Scenario> {
        let mut found: Vec<Scenario> = Vec::new();
        for rule in &mut self.rules {
            let is_open = layers.contains(&rule.scenario.layer) && !has_layer(&found, rule.scenario.layer);
            if is_open && rule.matches(target) && takes_effect(&rule.scenario) && rule.counts() {
                found.push(rule.scenario.clone());
            }
        }
        for source in sources {
            for scenario in source.scenarios {
                if !layers.contains(&scenario.layer)
                    || has_layer(&found, scenario.layer)
                    || !scenario.on.contains(&target.endpoint)
                    || !takes_effect(scenario)
                {
                    continue;
                }
                if self.counts(source.name, scenario) {
                    found.push(scenario.clone());
                }
            }
        }
        found
    }

    /// Counts a request that a scenario would change. Returns whether its `times` and `skip` let it apply.
    fn counts(&mut self, source: &str, scenario: &Scenario) -> bool {
        if scenario.times.is_none() && scenario.skip == 0 {
            return true;
        }
        if self.counters.len() > MAX_COUNTERS {
            self.counters.clear();
        }
        let seen = self.counters.entry(format!("{source} {}", scenario.text)).or_default();
        *seen += 1;
        within(*seen, scenario)
    }
}

impl Rule {
    fn matches(&self, target: &Target<'_>) -> bool {
        self.scenario.on.contains(&target.endpoint)
            && self.method.as_ref().is_none_or(|method| method.eq_ignore_ascii_case(target.method))
            && self.path.as_ref().is_none_or(|path| is_like(path, target.path))
            && self.job.as_ref().is_none_or(|job| target.job == Some(job))
    }

    /// Counts a request that matches. Returns whether the rule applies to it.
    fn counts(&mut self) -> bool {
        self.seen += 1;
        let lucky = self.chance.is_none_or(|(probability, seed)| {
            let number = hash::number(&[b"chance", &seed.to_le_bytes(), &self.seen.to_le_bytes()]);
            // An f64 holds a fraction of 53 bits exactly.
            ((number >> 11) as f64) / ((1_u64 << 53) as f64) < probability
        });
        let open =
            self.seen > self.scenario.skip && self.scenario.times.is_none_or(|times| self.fired < times);
        if lucky && open {
            self.fired += 1;
        }
        lucky && open
    }

    fn describe(&self) -> Value {
        json!({
            "id": self.id, "scenario": self.scenario.text, "method": self.method, "path": self.path,
            "job": self.job, "times": self.scenario.times, "skip": self.scenario.skip,
            "probability": self.chance.map(|(probability, _)| probability), "fired": self.fired,
        })
    }
}

fn has_layer(scenarios: &[Scenario], layer: Layer) -> bool {
    scenarios.iter().any(|scenario| scenario.layer == layer)
}

fn within(seen: u64, scenario: &Scenario) -> bool {
    seen > scenario.skip && scenario.times.is_none_or(|times| seen <= scenario.skip + times)
}

/// Whether a path matches a pattern, in which `*` stands for any text.
fn is_like(pattern: &str, path: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| path.strip_prefix(first)) else { return false };
    let mut last = "";
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
        last = part;
    }
    rest.is_empty()
        || (pattern.contains('*') && last.is_empty())
        || (pattern.contains('*') && path.ends_with(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_path_matches_with_stars() {
        for (pattern, path, same) in [
            ("/a", "/a", true),
            ("/a", "/ab", false),
            ("/a/*", "/a/b/c", true),
            ("*", "/x", true),
            ("/a/*/c", "/a/b/c", true),
            ("/a/*/c", "/a/b/d", false),
            ("/b*", "/a", false),
        ] {
            assert_eq!(is_like(pattern, path), same, "{pattern} {path}");
        }
    }

    #[test]
    fn rule_counts_skips_and_repeats_its_chances() {
        let target = Target {
            endpoint: Endpoint::Status,
            method: "GET",
            path: "/api/v1/status/j",
            job: Some("j"),
            key: None,
            idempotency_key: None,
            is_redirected: false,
        };
        let hits_of = |rule: Value| {
            let mut rules = Rules::default();
            rules.add(&rule).unwrap();
            let hits = (0..200)
                .filter(|_| !rules.matching(&target, &[], &[Layer::Response], |_| true).is_empty())
                .count();
            assert_eq!(rules.list()[0]["fired"], hits);
            hits
        };
        assert_eq!(hits_of(json!({ "scenario": "http_500", "times": 2, "skip": 3 })), 2);
        assert_eq!(hits_of(json!({ "scenario": "http_500@generate" })), 0);
        assert_eq!(hits_of(json!({ "scenario": "http_500", "job": "other" })), 0);
        let chance = json!({ "scenario": "http_500", "probability": 0.3, "seed": 9 });
        let hits = hits_of(chance.clone());
        assert!((30..90).contains(&hits), "{hits}");
        assert_eq!(hits_of(chance), hits, "the same seed gives the same hits");
    }
}
