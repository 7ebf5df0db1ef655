//! Tables (DrawingML). The style is in the cells: not every program knows the named table styles.

use super::text::{fill, is_right_to_left};
use super::xml::escaped;
use crate::deck::{Colour, Rect, Table};

/// A table in a rectangle.
pub fn table(table: &Table, rect: Rect) -> String {
    let widths: Vec<u32> = table.widths.iter().map(|share| (share * f64::from(rect.width)) as u32).collect();
    let grid: String = widths.iter().map(|width| format!("<a:gridCol w=\"{width}\"/>")).collect();
    let height = row_height(table, rect);
    let rows: String = table
        .rows
        .iter()
        .enumerate()
        .map(|(at, row)| {
            let cells: String =
                row.iter().enumerate().map(|(column, text)| cell(table, at, column, text)).collect();
            format!("<a:tr h=\"{height}\">{cells}</a:tr>")
        })
        .collect();
    format!("<a:tbl><a:tblPr firstRow=\"1\" bandRow=\"1\"/><a:tblGrid>{grid}</a:tblGrid>{rows}</a:tbl>")
}

/// The height of a row, in English Metric Units: its share of the rectangle, but no more than a row should
/// have.
pub fn row_height(table: &Table, rect: Rect) -> u32 {
    const MAX_HEIGHT: u32 = 480_000;
    let count = u32::try_from(table.rows.len()).unwrap_or(1).max(1);
    (rect.height / count).min(MAX_HEIGHT)
}

fn cell(table: &Table, row: usize, column: usize, text: &str) -> String {
    let head = row == 0;
    let (ground, colour) = match (head, row % 2) {
        (true, _) => (Colour::Dark, Colour::White),
        (false, 0) => (Colour::Light, Colour::Text),
        _ => (Colour::White, Colour::Text),
    };
    let right = column + 1 == table.widths.len() || is_right_to_left(text);
    let align = match (right, is_right_to_left(text)) {
        (_, true) => " algn=\"r\" rtl=\"1\"",
        (true, _) => " algn=\"r\"",
        _ => "",
    };
    let bold = if head { " b=\"1\"" } else { "" };
    let none = |name: &str| format!("<a:{name} w=\"0\"><a:noFill/></a:{name}>");
    format!(
        "<a:tc><a:txBody><a:bodyPr/><a:lstStyle/><a:p><a:pPr{align}/><a:r>\
         <a:rPr lang=\"en-US\" sz=\"{}\"{bold} \
         dirty=\"0\">{}</a:rPr><a:t>{}</a:t></a:r></a:p></a:txBody>\
         <a:tcPr marL=\"72000\" marR=\"72000\" marT=\"28800\" marB=\"28800\" anchor=\"ctr\">{}{}{}\
         <a:lnB w=\"6350\">{}</a:lnB>{}</a:tcPr></a:tc>",
        table.size,
        fill(colour),
        escaped(text),
        none("lnL"),
        none("lnR"),
        none("lnT"),
        fill(Colour::Muted),
        fill(ground),
    )
}
