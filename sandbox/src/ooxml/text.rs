//! Text (DrawingML).

use super::xml::escaped;
use crate::deck::{Anchor, Colour, Mark, Paragraph, Text, measure};

/// A colour of the theme.
pub fn colour(colour: Colour) -> String {
    let name = match colour {
        Colour::Text => "tx1",
        Colour::White => "bg1",
        Colour::Dark => "tx2",
        Colour::Light => "bg2",
        Colour::Muted => "accent6",
        Colour::Accent(number) => return format!("<a:schemeClr val=\"accent{}\"/>", number.clamp(1, 6)),
    };
    format!("<a:schemeClr val=\"{name}\"/>")
}

/// A fill in this colour.
pub fn fill(of: Colour) -> String {
    format!("<a:solidFill>{}</a:solidFill>", colour(of))
}

/// The body of a text: its properties and its paragraphs.
pub fn body(text: &Text) -> String {
    let anchor = match text.anchor {
        Anchor::Top => "t",
        Anchor::Middle => "ctr",
    };
    let columns = match text.columns {
        0 | 1 => String::new(),
        count => format!(" numCol=\"{count}\" spcCol=\"182880\""),
    };
    let paragraphs: String =
        text.paragraphs.iter().enumerate().map(|(at, one)| paragraph(one, at == 0)).collect();
    let paragraphs = if paragraphs.is_empty() { "<a:p/>".to_owned() } else { paragraphs };
    format!(
        "<p:txBody><a:bodyPr wrap=\"square\"{columns} anchor=\"{anchor}\"><a:normAutofit/></a:bodyPr>\
         <a:lstStyle/>\
         {paragraphs}</p:txBody>"
    )
}

fn paragraph(paragraph: &Paragraph, first: bool) -> String {
    // In English Metric Units. The hanging indent is as wide as the mark.
    let left = (measure::indent(paragraph) * measure::POINT) as u32;
    let hanging = measure::hanging(paragraph.mark) * f64::from(paragraph.size) / 100.0 * measure::POINT;
    let indent = match hanging as u32 {
        0 => "0".to_owned(),
        wide => format!("-{wide}"),
    };
    let mark = match paragraph.mark {
        Mark::None => "<a:buNone/>",
        Mark::Bullet => "<a:buFont typeface=\"Arial\"/><a:buChar char=\"&#8226;\"/>",
        Mark::Number => "<a:buFont typeface=\"+mj-lt\"/><a:buAutoNum type=\"arabicPeriod\"/>",
    };
    // White text stands on a dark background, on which the accent is hard to see.
    let tint = if paragraph.colour == Colour::White {
        format!("<a:buClr>{}</a:buClr>", colour(Colour::White))
    } else {
        String::new()
    };
    let level = if paragraph.level > 0 { " lvl=\"1\"" } else { "" };
    // The direction alone would leave the paragraph aligned left.
    let direction = if is_right_to_left(&paragraph.text) { " algn=\"r\" rtl=\"1\"" } else { "" };
    let above = if first { 0.0 } else { measure::space_before(paragraph) };
    let bold = if paragraph.bold { " b=\"1\"" } else { "" };
    format!(
        "<a:p><a:pPr marL=\"{left}\"{level} indent=\"{indent}\"{direction}><a:spcBef><a:spcPts val=\"{}\"/>\
         </a:spcBef>{tint}{mark}\
         </a:pPr><a:r><a:rPr lang=\"en-US\" sz=\"{}\"{bold} dirty=\"0\">{}</a:rPr><a:t>{}</a:t></a:r></a:p>",
        (above * 100.0) as u32,
        paragraph.size,
        fill(paragraph.colour),
        escaped(&paragraph.text)
    )
}

/// A paragraph that inherits its style.
pub fn plain(text: &str) -> String {
    let properties = if is_right_to_left(text) { "<a:pPr algn=\"r\" rtl=\"1\"/>" } else { "" };
    format!(
        "<a:p>{properties}<a:r><a:rPr lang=\"en-US\" dirty=\"0\"/><a:t>{}</a:t></a:r></a:p>",
        escaped(text)
    )
}

/// Whether the first letter belongs to a script that runs from right to left, such as Hebrew or Arabic.
pub fn is_right_to_left(text: &str) -> bool {
    text.chars().find(|c| c.is_alphabetic()).is_some_and(|c| {
        matches!(
            u32::from(c),
            0x590..=0x8ff | 0xfb1d..=0xfdff | 0xfe70..=0xfeff | 0x1_0800..=0x1_0fff | 0x1_e800..=0x1_efff
        )
    })
}
