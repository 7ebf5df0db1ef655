//! The document's properties.

use super::Properties;
use super::package::Package;
use super::xml::escaped;
use crate::deck::Deck;

/// Adds `docProps/core.xml` and `docProps/app.xml`, and what the package begins with.
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

/// An RFC 3339 date of the proleptic Gregorian calendar, in UTC (the days-to-date algorithm is Howard
/// Hinnant's `civil_from_days`).
fn date(unix: u64) -> String {
    let (days, seconds) = (unix / 86_400, unix % 86_400);
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    #[test]
    fn dates_are_those_of_the_calendar() {
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
