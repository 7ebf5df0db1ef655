//! The names of the catalogue that no test has had yet.

use std::collections::BTreeSet;

/// The names that are left.
pub struct Untested(BTreeSet<String>);

impl Untested {
    pub fn new() -> Untested {
        let listing = perceptis_sandbox::scenarios();
        // The sections below the scenarios have tests of their own: keys, refusals, certificates.
        let scenarios = listing.split("\n\n").nth(1).unwrap_or_default();
        let names = scenarios.lines().filter_map(|line| line.split([' ', '=']).next());
        Untested(names.map(str::to_owned).collect())
    }

    /// Takes a scenario that is tested now. Returns it as it was written.
    pub fn take<'a>(&mut self, scenario: &'a str) -> &'a str {
        let name = scenario.split(['=', '@', '*', '+']).next().unwrap();
        assert!(self.0.remove(name), "{name} is not in the catalogue, or is tested twice");
        scenario
    }

    pub fn names(&self) -> Vec<&String> {
        self.0.iter().collect()
    }
}
