//! The status of a job, as the service names it.

use std::fmt;

/// The status of a job. The service documents four; any other one is kept as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum JobStatus {
    /// The service has the job and has not begun.
    Pending,
    /// The service works on it.
    Processing,
    /// Its files can be fetched, and it is billed.
    Completed,
    /// The service gave it up; nothing is billed.
    Failed,
    /// What the documentation does not name: the job goes on.
    Other(Box<str>),
}

impl JobStatus {
    /// The text, as the service writes it.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            JobStatus::Pending => "pending",
            JobStatus::Processing => "processing",
            JobStatus::Completed => "completed",
            JobStatus::Failed => "failed",
            JobStatus::Other(text) => text,
        }
    }

    /// The same, where the text is no longer than this many characters, else its beginning.
    pub(crate) fn shortened(&self, characters: usize) -> JobStatus {
        match self {
            JobStatus::Other(text) => JobStatus::Other(text.chars().take(characters).collect()),
            documented => documented.clone(),
        }
    }
}

impl From<String> for JobStatus {
    fn from(text: String) -> JobStatus {
        let documented = [JobStatus::Pending, JobStatus::Processing, JobStatus::Completed, JobStatus::Failed];
        let known = documented.into_iter().find(|status| status.as_str() == text);
        known.unwrap_or_else(|| JobStatus::Other(text.into_boxed_str()))
    }
}

impl fmt::Display for JobStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_keeps_its_text() {
        for text in ["pending", "processing", "completed", "failed", "queued", "Completed", "completed ", ""]
        {
            assert_eq!(JobStatus::from(text.to_owned()).as_str(), text);
        }
        assert_eq!(JobStatus::from("Completed".to_owned()), JobStatus::Other("Completed".into()));
        assert_eq!(JobStatus::from("äbc".to_owned()).shortened(2).as_str(), "äb");
        assert_eq!(JobStatus::Processing.shortened(2), JobStatus::Processing);
    }
}
