//! The paths of the service.

use crate::model::job_id::JobId;

/// Where jobs are submitted.
pub(crate) const GENERATE: &str = "/api/v1/generate";

/// Where this job's state is read.
pub(crate) fn status_path(job_id: &JobId) -> String {
    format!("/api/v1/status/{}", job_id.path_segment())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::origin::Origin;

    #[test]
    fn no_job_id_leaves_its_path() {
        let origin = Origin::parse("https://a").unwrap();
        for (id, path) in [
            ("a b", "/api/v1/status/a%20b"),
            ("50%", "/api/v1/status/50%25"),
            ("%2e%2e", "/api/v1/status/%252e%252e"),
            ("a?b#c", "/api/v1/status/a%3Fb%23c"),
            ("a;b", "/api/v1/status/a%3Bb"),
        ] {
            let there = status_path(&JobId::from_caller(id).unwrap());
            assert_eq!(there, path);
            let url = origin.url(&there);
            assert_eq!(url.path(), path);
            assert_eq!((url.query(), url.fragment()), (None, None));
        }
    }
}
