//! Charts (DrawingML; ECMA-376, part 1, 21.2), with the workbook in which a user edits them.

use rust_xlsxwriter::{DocProperties, ExcelDateTime, Workbook};

use super::error::Error;
use super::package::Package;
use super::xml::escaped;
use crate::deck::{Chart, Kind, Unit};

const CHART: &str = "application/vnd.openxmlformats-officedocument.drawingml.chart+xml";
const WORKBOOK: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const SHEET: &str = "Sheet1";

fn type_of(chart: &Chart) -> String {
    format!(
        "<c:txPr><a:bodyPr/><a:lstStyle/><a:p><a:pPr><a:defRPr sz=\"{}\"/></a:pPr>\
         <a:endParaRPr lang=\"en-US\"/></a:p>\
         </c:txPr>",
        chart.size
    )
}

/// Adds a chart with this number and its workbook. Returns the name of its part.
pub fn add(package: &mut Package, number: usize, chart: &Chart) -> Result<String, Error> {
    let part = format!("ppt/charts/chart{number}.xml");
    let book = format!("ppt/embeddings/Microsoft_Excel_Sheet{number}.xlsx");
    let id = package.relate(&part, "package", &book);
    package.bytes(&book, WORKBOOK, workbook(chart)?);
    package.part(&part, CHART, &xml(chart, &id));
    Ok(part)
}

fn workbook(chart: &Chart) -> Result<Vec<u8>, Error> {
    let mut book = Workbook::new();
    // The date is fixed, so that the same deck makes the same bytes.
    let epoch = ExcelDateTime::from_ymd(2000, 1, 1)?;
    book.set_properties(&DocProperties::new().set_creation_datetime(&epoch));
    let sheet = book.add_worksheet();
    sheet.set_name(SHEET)?;
    sheet.write(0, 1, &chart.title)?;
    for (row, (name, value)) in (1..).zip(chart.categories.iter().zip(&chart.values)) {
        sheet.write(row, 0, name)?;
        sheet.write(row, 1, *value)?;
    }
    Ok(book.save_to_buffer()?)
}

fn xml(chart: &Chart, workbook: &str) -> String {
    let small = type_of(chart);
    let series = series(chart);
    let axes = "<c:axId val=\"111\"/><c:axId val=\"222\"/>";
    let plot = match chart.kind {
        Kind::Column | Kind::Bar => format!(
            "<c:barChart><c:barDir val=\"{}\"/><c:grouping val=\"clustered\"/>\
             <c:varyColors val=\"0\"/>{series}\
             <c:gapWidth val=\"{}\"/>{axes}</c:barChart>{}",
            if chart.kind == Kind::Bar { "bar" } else { "col" },
            // One or two bars would be very wide.
            if chart.values.len() < 3 { 220 } else { 60 },
            axes_of(chart)
        ),
        Kind::Line => format!(
            "<c:lineChart><c:grouping val=\"standard\"/><c:varyColors val=\"0\"/>{series}\
             <c:marker val=\"1\"/>{axes}\
             </c:lineChart>{}",
            axes_of(chart)
        ),
        Kind::Ring => format!(
            "<c:doughnutChart><c:varyColors val=\"1\"/>{series}<c:firstSliceAng val=\"0\"/>\
             <c:holeSize val=\"55\"/>\
             </c:doughnutChart>"
        ),
    };
    let heading = chart.size * 7 / 6 / 50 * 50;
    let legend = if chart.kind == Kind::Ring {
        format!("<c:legend><c:legendPos val=\"b\"/><c:overlay val=\"0\"/>{small}</c:legend>")
    } else {
        String::new()
    };
    format!(
        "<c:chartSpace xmlns:c=\"http://schemas.openxmlformats.org/drawingml/2006/chart\" \
         xmlns:a=\"http://schemas.openxmlformats.org/drawingml/2006/main\" \
         xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\">\
         <c:date1904 val=\"0\"/><c:roundedCorners val=\"0\"/><c:chart><c:title><c:tx><c:rich><a:bodyPr/>\
         <a:lstStyle/>\
         <a:p><a:pPr><a:defRPr sz=\"{heading}\" b=\"1\"/></a:pPr><a:r>\
         <a:rPr lang=\"en-US\" sz=\"{heading}\" b=\"1\"/><a:t>{}</a:t>\
         </a:r></a:p></c:rich></c:tx><c:overlay val=\"0\"/></c:title><c:autoTitleDeleted val=\"0\"/>\
         <c:plotArea>\
         <c:layout/>{plot}</c:plotArea>{legend}<c:plotVisOnly val=\"1\"/><c:dispBlanksAs val=\"gap\"/>\
         </c:chart>\
         {small}<c:externalData r:id=\"{workbook}\"><c:autoUpdate val=\"0\"/></c:externalData>\
         </c:chartSpace>",
        escaped(&chart.title)
    )
}

fn series(chart: &Chart) -> String {
    let small = type_of(chart);
    let count = chart.values.len();
    let last = count + 1;
    let point = |at: usize, text: &str| format!("<c:pt idx=\"{at}\"><c:v>{}</c:v></c:pt>", escaped(text));
    let categories: String = chart.categories.iter().enumerate().map(|(at, name)| point(at, name)).collect();
    let values: String =
        chart.values.iter().enumerate().map(|(at, value)| point(at, &value.to_string())).collect();
    let format = escaped(&number_format(&chart.unit, chart.decimals));
    let accent = "<a:solidFill><a:schemeClr val=\"accent1\"/></a:solidFill>";
    let (looks, points) = match chart.kind {
        Kind::Line => (
            format!(
                "<c:spPr><a:ln w=\"31750\" cap=\"rnd\">{accent}<a:round/></a:ln></c:spPr><c:marker>\
                 <c:symbol val=\"circle\"/><c:size val=\"7\"/><c:spPr>{accent}</c:spPr></c:marker>"
            ),
            String::new(),
        ),
        Kind::Ring => (
            String::new(),
            (0..count)
                .map(|at| {
                    format!(
                        "<c:dPt><c:idx val=\"{at}\"/><c:bubble3D val=\"0\"/><c:spPr><a:solidFill>\
                         <a:schemeClr val=\"accent{}\"/></a:solidFill></c:spPr></c:dPt>",
                        at % 6 + 1
                    )
                })
                .collect(),
        ),
        Kind::Column | Kind::Bar => {
            (format!("<c:spPr>{accent}</c:spPr><c:invertIfNegative val=\"0\"/>"), String::new())
        }
    };
    let position = match chart.kind {
        Kind::Column | Kind::Bar => "<c:dLblPos val=\"outEnd\"/>",
        Kind::Line => "<c:dLblPos val=\"t\"/>",
        Kind::Ring => "",
    };
    format!(
        "<c:ser><c:idx val=\"0\"/><c:order val=\"0\"/><c:tx><c:strRef><c:f>{SHEET}!$B$1</c:f><c:strCache>\
         <c:ptCount val=\"1\"/>{}</c:strCache></c:strRef></c:tx>{looks}{points}<c:dLbls>\
         <c:numFmt formatCode=\"{format}\" sourceLinked=\"0\"/><c:spPr><a:noFill/><a:ln><a:noFill/></a:ln>\
         </c:spPr>{small}\
         {position}<c:showLegendKey val=\"0\"/><c:showVal val=\"1\"/><c:showCatName val=\"0\"/>\
         <c:showSerName val=\"0\"/>\
         <c:showPercent val=\"0\"/><c:showBubbleSize val=\"0\"/></c:dLbls><c:cat><c:strRef>\
         <c:f>{SHEET}!$A$2:$A${last}</c:f><c:strCache><c:ptCount val=\"{count}\"/>{categories}</c:strCache>\
         </c:strRef>\
         </c:cat><c:val><c:numRef><c:f>{SHEET}!$B$2:$B${last}</c:f><c:numCache>\
         <c:formatCode>General</c:formatCode>\
         <c:ptCount val=\"{count}\"/>{values}</c:numCache></c:numRef></c:val>{}</c:ser>",
        point(0, &chart.title),
        if chart.kind == Kind::Line { "<c:smooth val=\"0\"/>" } else { "" }
    )
}

/// The axes. They have no scale, since every bar shows its value.
fn axes_of(chart: &Chart) -> String {
    let small = type_of(chart);
    let is_bar = chart.kind == Kind::Bar;
    let (names, values) = if is_bar { ("l", "b") } else { ("b", "l") };
    // With horizontal bars the first one is at the top.
    let order = if is_bar { "maxMin" } else { "minMax" };
    format!(
        "<c:catAx><c:axId val=\"111\"/><c:scaling><c:orientation val=\"{order}\"/></c:scaling>\
         <c:delete val=\"0\"/>\
         <c:axPos val=\"{names}\"/><c:numFmt formatCode=\"General\" sourceLinked=\"0\"/>\
         <c:majorTickMark val=\"none\"/>\
         <c:minorTickMark val=\"none\"/><c:tickLblPos val=\"low\"/><c:spPr><a:ln w=\"9525\"><a:solidFill>\
         <a:schemeClr val=\"accent6\"/></a:solidFill></a:ln></c:spPr>{small}<c:crossAx val=\"222\"/>\
         <c:crosses val=\"autoZero\"/><c:auto val=\"0\"/><c:lblAlgn val=\"ctr\"/><c:lblOffset val=\"100\"/>\
         <c:tickLblSkip val=\"1\"/><c:noMultiLvlLbl val=\"0\"/></c:catAx>\
         <c:valAx><c:axId val=\"222\"/><c:scaling><c:orientation val=\"minMax\"/>{}</c:scaling>\
         <c:delete val=\"1\"/>\
         <c:axPos val=\"{values}\"/><c:numFmt formatCode=\"General\" sourceLinked=\"0\"/>\
         <c:majorTickMark val=\"none\"/>\
         <c:minorTickMark val=\"none\"/><c:tickLblPos val=\"nextTo\"/><c:crossAx val=\"111\"/>\
         <c:crosses val=\"autoZero\"/></c:valAx>",
        // Bars begin at zero: otherwise their lengths would mislead.
        if chart.values.iter().all(|value| *value >= 0.0) { "<c:min val=\"0\"/>" } else { "" }
    )
}

/// The number format of values, in the syntax of spreadsheets.
fn number_format(unit: &Unit, decimals: usize) -> String {
    if unit.prefix.is_empty() && unit.suffix.is_empty() && decimals > 0 {
        return "General".into();
    }
    let quoted = |text: &str| {
        if text.is_empty() { String::new() } else { format!("\"{}\"", text.replace('"', "")) }
    };
    let digits = if decimals == 0 { "#,##0".to_owned() } else { format!("#,##0.{}", "0".repeat(decimals)) };
    format!("{}{digits}{}", quoted(&unit.prefix), quoted(&unit.suffix))
}
