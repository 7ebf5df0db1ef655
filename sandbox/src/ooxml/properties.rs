//! The properties of the document.

use super::package::Package;
use super::xml::escaped;
use crate::deck::Deck;

/// The properties of a file.
pub struct Properties<'a> {
    /// Its identifier.
    pub id: &'a str,
    /// When it was created, in seconds since 1970.
    pub created: u64,
}

/// Adds `docProps/core.xml` and `docProps/app.xml`, and the relationships of the package.
pub fn add(package: &mut Package, deck: &Deck, properties: &Properties<'_>) {
    let date = date(properties.created);
    package.relate("", "officeDocument", "ppt/presentation.xml");
    package.relate("", "core-properties", "docProps/core.xml");
    package.relate("", "extended-properties", "docProps/app.xml");
    package.part(
        "docProps/core.xml",
        "application/vnd.openxmlformats-package.core-properties+xml",
        &format!(
            "<cp:coreProperties \
             xmlns:cp=\"http://schemas.openxmlformats.org/package/2006/metadata/core-properties\" \
             xmlns:dc=\"http://purl.org/dc/elements/1.1/\" xmlns:dcterms=\"http://purl.org/dc/terms/\" \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\
             <dc:title>{}</dc:title><dc:creator>Perceptis sandbox</dc:creator>\
             <dc:identifier>{}</dc:identifier><cp:lastModifiedBy>Perceptis sandbox</cp:lastModifiedBy>\
             <cp:revision>1</cp:revision>\
             <dcterms:created xsi:type=\"dcterms:W3CDTF\">{date}</dcterms:created>\
             <dcterms:modified xsi:type=\"dcterms:W3CDTF\">{date}</dcterms:modified></cp:coreProperties>",
            escaped(&deck.title),
            escaped(properties.id),
        ),
    );
    let slides = deck.slides.len();
    package.part(
        "docProps/app.xml",
        "application/vnd.openxmlformats-officedocument.extended-properties+xml",
        &format!(
            "<Properties xmlns=\"http://schemas.openxmlformats.org/officeDocument/2006/extended-properties\">\
             <Application>Perceptis sandbox</Application>\
             <PresentationFormat>Widescreen</PresentationFormat>\
             <Slides>{slides}</Slides><Notes>{slides}</Notes></Properties>"
        ),
    );
}

/// An RFC 3339 date, in UTC.
fn date(unix: u64) -> String {
    let (year, month, day) = crate::clock::civil(unix / 86_400);
    let (hour, minute, second) = (unix / 3600 % 24, unix / 60 % 60, unix % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    #[test]
    fn date_is_that_of_the_calendar() {
        for (unix, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_521_600, "2026-11-24T12:00:00Z"),
        ] {
            assert_eq!(super::date(unix), text);
        }
    }
}
