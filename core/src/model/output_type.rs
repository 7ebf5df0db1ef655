//! What a request asks for: its field `output_type`.

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
