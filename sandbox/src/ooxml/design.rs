//! Designs: colours and fonts.

/// A palette, as six hexadecimal digits each.
pub struct Design {
    /// The theme's name.
    pub name: &'static str,
    /// Dark text and background.
    pub dark: &'static str,
    /// Light background.
    pub light: &'static str,
    /// The six accents; the first is the deck's own colour.
    pub accents: [&'static str; 6],
}

const DESIGNS: [Design; 4] = [
    Design {
        name: "Harbour",
        dark: "1B2A41",
        light: "F4F6F9",
        accents: ["1F6FB2", "E07A3F", "3A9D8F", "8A5FBF", "C9A227", "5C6B7A"],
    },
    Design {
        name: "Orchard",
        dark: "22331F",
        light: "F5F7F1",
        accents: ["3F7D3A", "C8553D", "2F7E8C", "8C6BB1", "D39B22", "66735F"],
    },
    Design {
        name: "Plum",
        dark: "2E1F33",
        light: "F8F5F9",
        accents: ["7A3E8E", "D1603D", "33838F", "4C6EB1", "C79A2B", "6F6675"],
    },
    Design {
        name: "Slate",
        dark: "20262C",
        light: "F5F6F6",
        accents: ["3C5A72", "B8572F", "4B8F6B", "7D62A6", "BE9530", "6A7178"],
    },
];

/// The design of this number; numbers beyond the last begin again.
pub fn of(number: usize) -> &'static Design {
    &DESIGNS[number % DESIGNS.len()]
}
