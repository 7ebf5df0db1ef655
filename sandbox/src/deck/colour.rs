//! The colours of a design, by their use.

/// A colour of the design.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// The colour of running text.
    Text,
    /// The colour of what is less important.
    Muted,
    /// White.
    White,
    /// The dark ground, and the colour of titles.
    Dark,
    /// The light ground.
    Light,
    /// An accent, from 1.
    Accent(u8),
}
