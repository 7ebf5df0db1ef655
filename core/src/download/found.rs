//! Files of a job that are on this machine already, so that the service need not be asked for them:
//! `promise.md`, 13.

use std::collections::BTreeSet;
use std::path::Path;

use crate::error::Error;
use crate::files::destination::Destination;
use crate::files::output_file::OutputFile;
use crate::files::partial::Partial;
use crate::ledger::KnownFile;
use crate::model::job_id::JobId;
use crate::model::output_type::PRESENTATION;
use crate::results::DeliveredFile;

/// Where a file was found.
pub(crate) enum Found {
    /// Under its name.
    Delivered(DeliveredFile),
    /// Whole, and without its final name.
    Whole(Box<Partial>),
}

/// A file that a call wants: what the ledger knows of it, and its names.
pub(crate) struct Sought {
    pub(crate) variant: u32,
    pub(crate) format: String,
    pub(crate) records: Vec<KnownFile>,
    pub(crate) output: OutputFile,
}

/// The files that a call wants of a job, as far as that is known without the service. `offered`: how many
/// files the service had, where the ledger knows it.
pub(crate) fn sought(
    known: &[KnownFile],
    offered: Option<u32>,
    destination: &Destination,
    job_id: &JobId,
    variants: u32,
) -> Vec<Sought> {
    let mut sought = Vec::new();
    for variant in 1..=variants.max(1) {
        let recorded = |format: &str| -> Vec<KnownFile> {
            known.iter().filter(|file| file.variant == variant && file.format == format).cloned().collect()
        };
        for format in formats_of(known, offered, variant) {
            let output = destination.file(job_id, variant, variants, &extension(format));
            sought.push(Sought { variant, format: format.to_owned(), records: recorded(format), output });
        }
    }
    sought
}

/// The formats in which a variant is wanted: as what is known of it, and as a presentation. Where all that
/// was offered is known, nothing else is wanted: a service can have another word for a presentation.
fn formats_of(known: &[KnownFile], offered: Option<u32>, variant: u32) -> BTreeSet<&str> {
    let files: BTreeSet<_> = known.iter().map(|file| (file.variant, file.format.as_str())).collect();
    let is_all = offered.is_some_and(|offered| files.len() >= offered as usize);
    let mut formats: BTreeSet<&str> =
        files.iter().filter(|(of, _)| *of == variant).map(|(_, format)| *format).collect();
    if !is_all || formats.is_empty() {
        formats.insert(PRESENTATION);
    }
    formats
}

/// All of these files under their names, or nothing if one of them is not there. Blocks on the disk.
pub(crate) fn find_all(sought: &[Sought]) -> Option<Vec<DeliveredFile>> {
    sought.iter().map(|file| find(&file.records, &file.output)).collect()
}

/// The same, wherever they are. Blocks on the disk.
pub(crate) fn look_for_all(sought: Vec<Sought>) -> Result<Option<Vec<(Sought, Found)>>, Error> {
    let mut found = Vec::new();
    for file in sought {
        let Some(there) = look_for(&file.records, &file.output)? else { return Ok(None) };
        found.push((file, there));
    }
    Ok(Some(found))
}

/// A file under its name, or a copy of it that is recorded elsewhere, or what has arrived where that is
/// whole. Blocks on the disk.
pub(crate) fn look_for(records: &[KnownFile], output: &OutputFile) -> Result<Option<Found>, Error> {
    if let Some(file) = find(records, output) {
        return Ok(Some(Found::Delivered(file)));
    }
    for file in records.iter().filter(|file| file.delivered) {
        // What can't be copied is fetched, and that says what is wrong.
        if let Ok(Some(part)) = Partial::copy(output, Path::new(&file.path), file.size, &file.sha256) {
            return Ok(Some(Found::Whole(Box::new(part))));
        }
    }
    // A part that can't be read is left to the download, too.
    Ok(Partial::open_whole(output).ok().flatten().map(|part| Found::Whole(Box::new(part))))
}

/// A file under its name or beside it, where it is what one of these records says. Blocks on the disk.
fn find(records: &[KnownFile], output: &OutputFile) -> Option<DeliveredFile> {
    for name in [output.names().final_name(), output.names().beside()] {
        let Some(file) = records.iter().find(|file| output.is_same(&name, file.size, &file.sha256)) else {
            continue;
        };
        // A directory that can't be written to keeps what is left there.
        let _ = output.remove_all_parts();
        return Some(DeliveredFile {
            path: output.path_of(&name).display().to_string(),
            variant: file.variant,
            format: file.format.clone(),
            size: file.size,
            sha256: file.sha256.clone(),
            note: Some("it was there already".into()),
        });
    }
    None
}

/// A format's file name ending: itself when it is plain, `bin` otherwise.
pub(crate) fn extension(format: &str) -> String {
    let plain = (1..=8).contains(&format.len())
        && format.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if plain { format.to_owned() } else { "bin".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variant_is_wanted_as_a_presentation_whatever_is_known() {
        let file = |variant, format: &str| KnownFile {
            variant,
            format: format.to_owned(),
            path: String::new(),
            size: 1,
            sha256: String::new(),
            delivered: true,
        };
        let known = [file(1, "pdf"), file(2, "pptx")];
        for offered in [None, Some(3)] {
            assert_eq!(formats_of(&known, offered, 1), BTreeSet::from(["pdf", "pptx"]));
            assert_eq!(formats_of(&known, offered, 2), BTreeSet::from(["pptx"]));
            assert_eq!(formats_of(&known, offered, 3), BTreeSet::from(["pptx"]));
        }
        // All that there was has another name.
        assert_eq!(formats_of(&[file(1, "PPTX")], Some(1), 1), BTreeSet::from(["PPTX"]));
    }
}
