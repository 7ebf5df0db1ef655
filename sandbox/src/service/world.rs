//! The world: all namespaces of a sandbox, and the namespace of each job. A lock guards it.

use std::collections::{HashMap, VecDeque};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::job::Job;
use super::journal::Entry;
use super::namespace::{Namespace, millis};

const MAX_NAMESPACES: usize = 1000;

/// All namespaces.
pub struct World {
    /// How fast the clock of a new namespace runs.
    speed: f64,
    namespaces: HashMap<String, Namespace>,
    /// The names of the namespaces, the oldest first.
    order: VecDeque<String>,
    /// The namespace of each job.
    homes: HashMap<String, String>,
    jobs: u64,
    entries: u64,
}

/// The position of an entry: its namespace and its number in the journal.
pub struct EntryPosition {
    namespace: String,
    number: u64,
}

impl World {
    /// A world without namespaces.
    pub fn new(speed: f64) -> World {
        World {
            speed,
            namespaces: HashMap::new(),
            order: VecDeque::new(),
            homes: HashMap::new(),
            jobs: 0,
            entries: 0,
        }
    }

    /// The namespace of this name. It is created where there is none.
    pub fn namespace(&mut self, name: &str) -> &mut Namespace {
        if self.namespaces.len() >= MAX_NAMESPACES && !self.namespaces.contains_key(name) {
            // A program that makes a thousand namespaces no longer needs the first of them.
            if let Some(oldest) = self.order.pop_front() {
                self.namespaces.remove(&oldest);
                self.homes.retain(|_, home| *home != oldest);
            }
        }
        if !self.namespaces.contains_key(name) {
            self.order.push_back(name.to_owned());
        }
        let speed = self.speed;
        self.namespaces.entry(name.to_owned()).or_insert_with(|| Namespace::new(speed))
    }

    /// The namespaces by name, with the number of jobs in each.
    pub fn list(&self) -> Vec<Value> {
        let mut names: Vec<Value> = self
            .namespaces
            .iter()
            .map(|(name, namespace)| json!({ "namespace": name, "jobs": namespace.store.len() }))
            .collect();
        names.sort_by_key(|one| one["namespace"].to_string());
        names
    }

    /// Makes a namespace empty.
    pub fn reset(&mut self, name: &str) {
        self.homes.retain(|_, home| home != name);
        self.namespaces.insert(name.to_owned(), Namespace::new(self.speed));
    }

    /// The namespace of a job.
    pub fn home_of(&self, job: &str) -> Option<&str> {
        self.homes.get(job).map(String::as_str)
    }

    /// The number of the next job, over all namespaces.
    pub fn next_job(&mut self) -> u64 {
        self.jobs += 1;
        self.jobs - 1
    }

    /// Adds a job to a namespace, which may forget old jobs for it.
    pub fn add_job(&mut self, name: &str, id: &str, job: Job) {
        for forgotten in self.namespace(name).store.insert(id, job) {
            self.homes.remove(&forgotten);
        }
        self.homes.insert(id.to_owned(), name.to_owned());
    }

    /// The number of journal entries so far, over all namespaces.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Writes an entry to the journal of a namespace.
    pub fn record(&mut self, name: &str, mut entry: Entry) -> EntryPosition {
        self.entries += 1;
        let number = self.entries;
        entry.number = number;
        entry.real_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis);
        let namespace = self.namespace(name);
        entry.at_ms = millis(namespace.clock.now());
        namespace.journal.write(entry);
        EntryPosition { namespace: name.to_owned(), number }
    }

    /// Writes to an entry how many bytes were sent. Returns the entry if the journal still has it.
    pub fn record_sent(&mut self, position: &EntryPosition, bytes: u64) -> Option<&Entry> {
        self.namespaces.get_mut(&position.namespace)?.journal.sent(position.number, bytes)
    }
}

impl EntryPosition {
    /// The number of the entry.
    pub fn number(&self) -> u64 {
        self.number
    }
}
