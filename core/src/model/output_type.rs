//! What a request asks for: its field `output_type`.

/// The format of a presentation, as the service names it. Each variant has one; other formats come beside it.
pub(crate) const PRESENTATION: &str = "pptx";

/// How many of these formats are presentations; where none is, how many there are.
pub(crate) fn presentations<'a>(formats: impl Iterator<Item = &'a str> + Clone) -> usize {
    match formats.clone().filter(|format| *format == PRESENTATION).count() {
        0 => formats.count(),
        count => count,
    }
}

/// The output of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum OutputType {
    /// One slide, in one or more variants.
    SingleSlide,
    /// A deck.
    #[default]
    Deck,
    /// What the caller set as JSON, or the service named, and the documentation does not have.
    Other(Box<str>),
}

impl OutputType {
    /// The text, as the request has it.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            OutputType::SingleSlide => "single_slide",
            OutputType::Deck => "deck",
            OutputType::Other(text) => text,
        }
    }
}

impl From<&str> for OutputType {
    fn from(text: &str) -> OutputType {
        let known = [OutputType::SingleSlide, OutputType::Deck].into_iter().find(|it| it.as_str() == text);
        known.unwrap_or_else(|| OutputType::Other(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presentations_are_counted_and_not_what_comes_beside_them() {
        for (formats, count) in
            [(&["pptx", "pdf"][..], 1), (&["pdf", "pptx", "pptx"], 2), (&["pdf", "png"], 2), (&[], 0)]
        {
            assert_eq!(presentations(formats.iter().copied()), count, "{formats:?}");
        }
    }
}
