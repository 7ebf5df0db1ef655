//! The package: parts, their content types and relationships (ECMA-376, part 2).

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::error::Error;
use super::xml::{DECLARATION, escaped};

/// The types of relationships end with their kinds.
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/";
const CORE: &str = "http://schemas.openxmlformats.org/package/2006/relationships/metadata/core-properties";

/// A file that is being built.
#[derive(Default)]
pub struct Package {
    /// By name, without a leading slash: content type and content.
    parts: BTreeMap<String, (&'static str, Vec<u8>)>,
    /// By source part ("" for the package): kind and target part of each relationship.
    relationships: BTreeMap<String, Vec<(&'static str, String)>>,
}

impl Package {
    /// Adds a part.
    pub fn part(&mut self, name: &str, content_type: &'static str, content: &str) {
        self.bytes(name, content_type, format!("{DECLARATION}{content}").into_bytes());
    }

    /// Adds a part that is not XML.
    pub fn bytes(&mut self, name: &str, content_type: &'static str, content: Vec<u8>) {
        self.parts.insert(name.to_owned(), (content_type, content));
    }

    /// Relates a part to another and returns the relationship's id. `kind` is the last word of the type.
    pub fn relate(&mut self, source: &str, kind: &'static str, target: &str) -> String {
        let all = self.relationships.entry(source.to_owned()).or_default();
        all.push((kind, target.to_owned()));
        format!("rId{}", all.len())
    }

    /// The bytes of the file.
    pub fn write(self) -> Result<Vec<u8>, Error> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        // The date is fixed, so that the same deck makes the same bytes.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(DateTime::default());
        let packed = options.compression_method(CompressionMethod::Stored);
        let mut add = |name: &str, content: &[u8]| -> Result<(), Error> {
            let is_packed = [".png", ".jpeg", ".gif", ".xlsx"].iter().any(|end| name.ends_with(end));
            writer.start_file(name, if is_packed { packed } else { options })?;
            writer.write_all(content)?;
            Ok(())
        };
        // This part comes first: some readers look for it at the beginning.
        add("[Content_Types].xml", self.content_types().as_bytes())?;
        let is_root = |source: &str| source.is_empty();
        let is_property = |name: &str| name.starts_with("docProps/");
        for (source, all) in self.relationships.iter().filter(|(source, _)| is_root(source)) {
            add(&relationships_part(source), relationships(source, all).as_bytes())?;
        }
        // The properties come early, so that two editions of a file differ from near their beginning on.
        for (name, (_, content)) in self.parts.iter().filter(|(name, _)| is_property(name)) {
            add(name, content)?;
        }
        for (source, all) in self.relationships.iter().filter(|(source, _)| !is_root(source)) {
            add(&relationships_part(source), relationships(source, all).as_bytes())?;
        }
        for (name, (_, content)) in self.parts.iter().filter(|(name, _)| !is_property(name)) {
            add(name, content)?;
        }
        Ok(writer.finish()?.into_inner())
    }

    fn content_types(&self) -> String {
        let mut text = format!(
            "{DECLARATION}<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">\
             <Default Extension=\"rels\" \
             ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
             <Default Extension=\"xml\" ContentType=\"application/xml\"/>"
        );
        for (name, (content_type, _)) in &self.parts {
            text += &format!("<Override PartName=\"/{name}\" ContentType=\"{content_type}\"/>");
        }
        text + "</Types>"
    }
}

/// `ppt/slides/slide1.xml` has its relationships in `ppt/slides/_rels/slide1.xml.rels`.
fn relationships_part(source: &str) -> String {
    match source.rsplit_once('/') {
        Some((folder, file)) => format!("{folder}/_rels/{file}.rels"),
        None => format!("_rels/{source}.rels"),
    }
}

fn relationships(source: &str, all: &[(&'static str, String)]) -> String {
    let mut text = format!(
        "{DECLARATION}<Relationships \
         xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">"
    );
    // The target is relative to the folder of the source: up to the root, then down.
    let up = "../".repeat(source.matches('/').count());
    for (at, (kind, target)) in all.iter().enumerate() {
        let kind = if *kind == "core-properties" { CORE.to_owned() } else { format!("{OFFICE}{kind}") };
        text += &format!(
            "<Relationship Id=\"rId{}\" Type=\"{kind}\" Target=\"{up}{}\"/>",
            at + 1,
            escaped(target)
        );
    }
    text + "</Relationships>"
}
