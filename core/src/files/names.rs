//! The names of one file of a job: the final one, and those that it has on the way.

use crate::common::sha256;

/// How many files of one download are kept while none is whole. The last one is begun anew in its place.
pub(super) const MAX_GENERATIONS: u32 = 4;
/// The longest name that any file gets, in bytes: `<name>-<variant>.<job>.<format>.restart-2.part` with a
/// name of 120 bytes and a job of 96. A file system that has less gets shortened names.
pub(super) const MAX_FILE_NAME: usize = 250;
/// What is left of a name that is shortened is followed by so many digits of its hash.
const HASH_DIGITS: usize = 16;

/// The names of one file.
#[derive(Clone, Debug)]
pub(crate) struct FileNames {
    pub(super) stem: String,
    pub(super) extension: String,
    pub(super) job: String,
    /// The longest name that the file system has.
    pub(super) max_name: usize,
}

impl FileNames {
    /// Whether the file is a presentation, which can be verified.
    pub(crate) fn is_presentation(&self) -> bool {
        self.extension == "pptx"
    }

    /// `<name>` or `<name>-<variant>`.
    pub(crate) fn stem(&self) -> &str {
        &self.stem
    }

    pub(crate) fn final_name(&self) -> String {
        self.fit(self.stem.clone(), &format!(".{}", self.extension))
    }

    /// The name when another file has the final one.
    pub(crate) fn beside(&self) -> String {
        self.fit(format!("{}-{}", self.stem, self.job), &format!(".{}", self.extension))
    }

    /// The name on the way; `generation`: how often the file was begun anew, from 1.
    pub(crate) fn part(&self, generation: u32) -> String {
        let format = if self.is_presentation() { String::new() } else { format!(".{}", self.extension) };
        self.fit(format!("{}.{}{format}{}", self.stem, self.job, again(generation)), PART)
    }

    /// The name on the way of a presentation, from what all its names begin with, where none is shortened.
    pub(super) fn part_of(beginning: &str, generation: u32) -> String {
        format!("{beginning}{}{PART}", again(generation))
    }

    /// The name of a file that failed verification; the first has no number.
    pub(crate) fn unverified(&self, number: u32) -> String {
        let number = if number > 1 { format!("-{number}") } else { String::new() };
        self.fit(format!("{}{number}", self.stem), ".unverified")
    }

    /// The name of a file that is replaced, in the moment between its last name and its end. `digest` says
    /// which file.
    pub(super) fn replaced(&self, digest: &str) -> String {
        self.fit(format!("{}.{}", self.stem, self.job), &format!(".{digest}{REPLACED}"))
    }

    /// Both parts of a name, the first one shortened if they do not fit; the same for the same parts.
    fn fit(&self, text: String, ending: &str) -> String {
        if text.len() + ending.len() <= self.max_name {
            return text + ending;
        }
        let digest = sha256::hex(&sha256::of(text.as_bytes()));
        let mut kept = self.max_name.saturating_sub(ending.len() + 1 + HASH_DIGITS).min(text.len());
        while !text.is_char_boundary(kept) {
            kept -= 1;
        }
        format!("{}-{}{ending}", &text[..kept], &digest[..HASH_DIGITS])
    }
}

/// No format has a hyphen, so that this makes no other file's name.
fn again(generation: u32) -> String {
    if generation > 1 { format!(".restart-{generation}") } else { String::new() }
}

/// How the name of a file ends that is on its way.
const PART: &str = ".part";
/// How the name of a file ends that is replaced.
pub(super) const REPLACED: &str = ".replaced";

/// `-<variant>` is in a name exactly when more than one was asked for.
pub(super) fn stem(name: &str, variant: u32, variants: u32) -> String {
    if variants > 1 { format!("{name}-{variant}") } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn names(stem: &str, max_name: usize) -> FileNames {
        FileNames { stem: stem.into(), extension: "pptx".into(), job: "job_1".into(), max_name }
    }

    fn all(names: &FileNames) -> [String; 6] {
        let part = |generation| names.part(generation);
        [names.final_name(), names.beside(), part(1), part(2), names.unverified(1), names.unverified(2)]
    }

    #[test]
    fn names_that_fit_are_plain() {
        let expected =
            ["q3.pptx", "q3-job_1.pptx", "q3.job_1.part", "q3.job_1.restart-2.part", "q3.unverified"];
        assert_eq!(all(&names("q3", MAX_FILE_NAME))[..5], expected);
        let pdf = FileNames { extension: "pdf".into(), ..names("q3", MAX_FILE_NAME) };
        assert_eq!(pdf.part(1), "q3.job_1.pdf.part");
    }

    #[test]
    fn names_that_do_not_fit_are_short_and_distinct() {
        for max_name in [40, 60, 143] {
            // Three bytes a character, so that a cut can fall into one.
            let long = "\u{65e5}".repeat(40);
            let (one, other) = (names(&long, max_name), names(&(long.clone() + "x"), max_name));
            let both: Vec<String> = all(&one).into_iter().chain(all(&other)).collect();
            assert!(both.iter().all(|name| name.len() <= max_name), "{both:?}");
            assert_eq!(both.iter().collect::<BTreeSet<_>>().len(), both.len(), "{both:?}");
            assert_eq!(all(&one), all(&one.clone()));
        }
    }
}
