//! Designs: the colours and fonts of a deck.

use super::colour::Colour;

/// A design, which is also a template: colours, as six hexadecimal digits each, and typefaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Design {
    /// The name of the theme and of the template.
    pub name: &'static str,
    /// The colour of titles and dark backgrounds.
    pub dark: &'static str,
    /// The colour of light backgrounds.
    pub light: &'static str,
    /// The six accents. The first is the colour of the deck, the last the colour of what is less important.
    pub accents: [&'static str; 6],
    /// The typefaces of titles and of text.
    pub fonts: (&'static str, &'static str),
}

/// The templates that every organization sees. The first is the default.
const DESIGNS: [Design; 5] = [
    Design {
        name: "Harbour",
        dark: "1B2A41",
        light: "F1F4F8",
        accents: ["1F6FB2", "E07A3F", "3A9D8F", "8A5FBF", "C9A227", "5C6B7A"],
        fonts: ("Calibri", "Calibri"),
    },
    Design {
        name: "Orchard",
        dark: "22331F",
        light: "F2F5EC",
        accents: ["3F7D3A", "C8553D", "2F7E8C", "8C6BB1", "D39B22", "5F6B59"],
        fonts: ("Georgia", "Calibri"),
    },
    Design {
        name: "Plum",
        dark: "2E1F33",
        light: "F6F2F8",
        accents: ["7A3E8E", "D1603D", "33838F", "4C6EB1", "C79A2B", "6A6070"],
        fonts: ("Calibri", "Calibri"),
    },
    Design {
        name: "Slate",
        dark: "20262C",
        light: "F2F4F5",
        accents: ["3C5A72", "B8572F", "4B8F6B", "7D62A6", "BE9530", "626A71"],
        fonts: ("Arial", "Arial"),
    },
    Design {
        name: "Ember",
        dark: "3A1D1D",
        light: "FAF4F0",
        accents: ["B23A2E", "2F6F8F", "D08A1F", "5B7F3B", "7A4E8A", "766660"],
        fonts: ("Georgia", "Georgia"),
    },
];

/// A name that two templates have.
pub const AMBIGUOUS: &str = "Quarterly Review";

/// The names of all templates, with the one that two templates have.
pub fn names() -> Vec<&'static str> {
    DESIGNS.iter().map(|design| design.name).chain([AMBIGUOUS]).collect()
}

/// The template of this name. Names are case-sensitive.
pub fn named(name: &str) -> Option<Design> {
    DESIGNS.iter().find(|design| design.name == name).copied()
}

/// The design of this number. After the last one they begin again.
pub fn of(number: usize) -> Design {
    DESIGNS[number % DESIGNS.len()]
}

impl Design {
    /// The same design with its first five accents rotated.
    #[must_use]
    pub fn turned(mut self, by: usize) -> Design {
        self.accents[..5].rotate_left(by % 5);
        self
    }

    /// The six digits of a colour.
    pub fn digits(&self, colour: Colour) -> &'static str {
        match colour {
            Colour::Text => TEXT,
            Colour::Muted => self.accents[5],
            Colour::White => "FFFFFF",
            Colour::Dark => self.dark,
            Colour::Light => self.light,
            Colour::Accent(number) => self.accents[usize::from(number.saturating_sub(1)) % 6],
        }
    }
}

/// The colour of running text, in every design.
pub const TEXT: &str = "1A1A1A";
