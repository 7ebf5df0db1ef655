//! What happened, in its order, for people: the calls and what they were told, the service's books, the
//! files.

use std::fmt;

use crate::facts::{Asked, Call, Facts, Stamp};
use crate::history::Operation;

impl Call {
    fn title(&self) -> String {
        let asked = match &self.asked {
            Asked::Deck(deck) => {
                let op = if deck.line.op == Operation::Run { "run" } else { "generate" };
                let mut text =
                    format!("{op} request {} d{} n{}", deck.line.request, deck.directory, deck.line.name);
                for (set, word) in [
                    (deck.line.overwrite, " overwrite"),
                    (deck.line.adopt_off, " adopt=off"),
                    (deck.line.other_key, " on_other_key=submit"),
                    (deck.line.resubmit, " resubmit"),
                ] {
                    text += if set { word } else { "" };
                }
                text += &deck.key.as_ref().map_or(String::new(), |key| format!(" key {key}"));
                text
            }
            other => format!("{other:?}"),
        };
        let seconds = self.seconds.map_or(String::new(), |seconds| format!(" within {seconds} s"));
        let copy = if self.copy { " (second copy)" } else { "" };
        format!("process {} API key {}: {asked}{seconds} {:?}{copy}", self.process, self.api, self.form)
    }

    fn told(&self) -> String {
        let mut text = self.code.clone();
        for field in ["billed", "adopted", "recorded", "job_id", "idempotency_key", "note"] {
            let value = if self.result[field].is_null() { &self.details[field] } else { &self.result[field] };
            if !value.is_null() {
                text += &format!(" {field} {value}");
            }
        }
        for (path, hash) in &self.seen {
            let name = path.rsplit('/').take(2).collect::<Vec<_>>();
            text += &format!(
                " [{}/{} {}]",
                name[1],
                name[0],
                hash.as_deref().map_or("missing", |hash| &hash[..6])
            );
        }
        format!("{text} {}", self.message)
    }
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines: Vec<(Stamp, String)> = Vec::new();
        for (number, call) in self.calls.iter().enumerate() {
            let quiet = if call.quiet { ", in the quiet end" } else { "" };
            lines.push((call.began, format!("call {number}{quiet}: {}", call.title())));
            let key = call.key.as_ref().filter(|_| call.ended.is_none());
            lines.extend(key.map(|key| (call.began, format!("call {number} was seen with key {key}"))));
            lines.extend(call.under_way.map(|at| (at, format!("call {number} is under way"))));
            lines.extend(call.ended.map(|at| (at, format!("call {number} ends: {}", call.told()))));
            lines.extend(call.told.map(|at| (at, format!("call {number} is told"))));
        }
        for (id, process) in self.processes.iter().enumerate() {
            lines.extend(process.gone.map(|at| (at, format!("process {id} is gone"))));
        }
        for attempt in &self.attempts {
            let job = attempt.job.map_or("no job".to_owned(), |job| self.jobs[job].id.clone());
            let (key, answer) = (&attempt.key, attempt.answer);
            lines.push((
                attempt.at,
                format!("process {} submits under {key}: {job}, {answer:?}", attempt.process),
            ));
        }
        for request in self.requests.iter().filter(|request| request.on == crate::history::Endpoint::File) {
            let job = request.job.map_or("no job".to_owned(), |job| self.jobs[job].id.clone());
            lines.push((request.at, format!("process {} fetches {job}", request.process)));
        }
        for job in &self.jobs {
            lines.push((
                job.made,
                format!("{} is made for request {} and key {}", job.id, job.request, job.key),
            ));
            lines.extend(job.ended.map(|at| (at, format!("{} ends, completed {:?}", job.id, job.end))));
        }
        for own in &self.own {
            lines.push((own.at, format!("the user has {} {}", own.path.display(), &own.hash[..6])));
        }
        for (from, until, weather) in &self.weather {
            lines.push((*from, format!("{weather:?} begins")));
            lines.extend(until.map(|until| (until, format!("{weather:?} ends"))));
        }
        lines.sort();
        for (at, line) in lines {
            writeln!(f, "  {at:4} {line}")?;
        }
        for (path, hash) in &self.files {
            writeln!(f, "       file {} {}", path.display(), &hash[..6])?;
        }
        for (api, report) in self
            .reports
            .iter()
            .filter(|(_, report)| report["jobs"].as_array().is_some_and(|all| !all.is_empty()))
        {
            writeln!(f, "       recover by API key {api}: {report}")?;
        }
        for (api, list) in &self.listed {
            writeln!(f, "       jobs of API key {api}: {list}")?;
        }
        Ok(())
    }
}
