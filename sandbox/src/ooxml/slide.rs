//! Slides, their notes, and the presentation that lists them.

use super::error::Error;
use super::package::Package;
use super::xml::{GROUP, NAMESPACES, escaped, transform};
use super::{chart, table, text};
use crate::deck::{
    Anchor, Block, Colour, Format, Layout, Mark, Paragraph, Picture, Rect, Role, Shape, Slide, Text,
};

const SLIDE: &str = "application/vnd.openxmlformats-officedocument.presentationml.slide+xml";
const NOTES: &str = "application/vnd.openxmlformats-officedocument.presentationml.notesSlide+xml";
const PRESENTATION: &str =
    "application/vnd.openxmlformats-officedocument.presentationml.presentation.main+xml";

/// The part of a layout.
pub fn layout_part(layout: Layout) -> &'static str {
    match layout {
        Layout::Title => "ppt/slideLayouts/slideLayout1.xml",
        Layout::Content => "ppt/slideLayouts/slideLayout2.xml",
    }
}

/// The numbers of charts and images so far, over all slides.
#[derive(Default)]
pub struct Counts {
    charts: usize,
    images: usize,
}

/// Adds the slide of this number, from 1, and its notes.
pub fn add(package: &mut Package, number: usize, slide: &Slide, counts: &mut Counts) -> Result<(), Error> {
    let part = format!("ppt/slides/slide{number}.xml");
    let notes = format!("ppt/notesSlides/notesSlide{number}.xml");
    package.relate(&part, "slideLayout", layout_part(slide.layout));
    package.relate(&part, "notesSlide", &notes);
    package.relate(&notes, "notesMaster", "ppt/notesMasters/notesMaster1.xml");
    package.relate(&notes, "slide", &part);

    // Panels are behind the title. All other shapes are in front of it.
    let mut back = String::new();
    let mut front = String::new();
    for (at, Shape { rect, block }) in slide.shapes.iter().enumerate() {
        let id = at + 3;
        match block {
            Block::Panel(colour) => back += &panel(id, *rect, *colour),
            Block::Text(text) => front += &text_shape(id, *rect, text),
            Block::Chart(one) => {
                counts.charts += 1;
                let target = chart::add(package, counts.charts, one)?;
                let reference = package.relate(&part, "chart", &target);
                let content = format!(
                    "<c:chart xmlns:c=\"http://schemas.openxmlformats.org/drawingml/2006/chart\" \
                     r:id=\"{reference}\"/>"
                );
                front += &frame(id, "Chart", *rect, "chart", &content, &one.title);
            }
            Block::Table(one) => {
                front += &frame(id, "Table", *rect, "table", &table::table(one, *rect), "");
            }
            Block::Picture(one) => {
                counts.images += 1;
                front += &picture(package, &part, id, counts.images, *rect, one);
            }
        }
    }
    let shapes = back + &title(slide) + &front;
    package.part(
        &part,
        SLIDE,
        &format!(
            "<p:sld {NAMESPACES}><p:cSld><p:spTree>{GROUP}{shapes}</p:spTree></p:cSld>\
             <p:clrMapOvr><a:masterClrMapping/></p:clrMapOvr></p:sld>"
        ),
    );
    let image = "<p:sp><p:nvSpPr><p:cNvPr id=\"2\" name=\"Slide Image\"/><p:cNvSpPr>\
        <a:spLocks noGrp=\"1\" noRot=\"1\" noChangeAspect=\"1\"/></p:cNvSpPr>\
        <p:nvPr><p:ph type=\"sldImg\"/></p:nvPr></p:nvSpPr><p:spPr/></p:sp>";
    let text =
        placeholder(3, "Notes", "type=\"body\" idx=\"1\"", "", &inherited_body(&text::plain(&slide.notes)));
    package.part(
        &notes,
        NOTES,
        &format!(
            "<p:notes {NAMESPACES}><p:cSld><p:spTree>{GROUP}{image}{text}</p:spTree></p:cSld>\
             <p:clrMapOvr><a:masterClrMapping/></p:clrMapOvr></p:notes>"
        ),
    );
    Ok(())
}

fn title(slide: &Slide) -> String {
    let kind = if slide.layout == Layout::Title { "type=\"ctrTitle\"" } else { "type=\"title\"" };
    let Some((rect, size, colour)) = slide.title.style else {
        return placeholder(2, "Title", kind, "", &inherited_body(&text::plain(&slide.title.text)));
    };
    let text = Text {
        role: Role::Note,
        paragraphs: vec![Paragraph {
            text: slide.title.text.clone(),
            level: 0,
            mark: Mark::None,
            size,
            bold: true,
            colour,
        }],
        fill: None,
        anchor: Anchor::Middle,
        columns: 1,
    };
    placeholder(2, "Title", kind, &transform("a", rect), &text::body(&text))
}

fn text_shape(id: usize, rect: Rect, text: &Text) -> String {
    let (name, kind) = match text.role {
        Role::Subtitle => ("Subtitle", "type=\"subTitle\" idx=\"1\""),
        Role::Body => ("Content", "idx=\"1\""),
        Role::Note => {
            let ground = text.fill.map_or("<a:noFill/>".to_owned(), text::fill);
            return format!(
                "<p:sp><p:nvSpPr><p:cNvPr id=\"{id}\" name=\"Text {id}\"/><p:cNvSpPr txBox=\"1\"/><p:nvPr/>\
                 </p:nvSpPr>\
                 <p:spPr>{}<a:prstGeom prst=\"rect\"><a:avLst/></a:prstGeom>{ground}</p:spPr>{}</p:sp>",
                transform("a", rect),
                text::body(text)
            );
        }
    };
    placeholder(id, name, kind, &transform("a", rect), &text::body(text))
}

fn panel(id: usize, rect: Rect, colour: Colour) -> String {
    format!(
        "<p:sp><p:nvSpPr><p:cNvPr id=\"{id}\" name=\"Panel {id}\"/><p:cNvSpPr/><p:nvPr/></p:nvSpPr><p:spPr>{}\
         <a:prstGeom prst=\"rect\"><a:avLst/></a:prstGeom>{}<a:ln><a:noFill/></a:ln></p:spPr></p:sp>",
        transform("a", rect),
        text::fill(colour)
    )
}

fn frame(id: usize, name: &str, rect: Rect, kind: &str, content: &str, description: &str) -> String {
    format!(
        "<p:graphicFrame><p:nvGraphicFramePr><p:cNvPr id=\"{id}\" name=\"{name} {id}\" descr=\"{}\"/>\
         <p:cNvGraphicFramePr><a:graphicFrameLocks noGrp=\"1\"/></p:cNvGraphicFramePr><p:nvPr/>\
         </p:nvGraphicFramePr>{}\
         <a:graphic><a:graphicData uri=\"http://schemas.openxmlformats.org/drawingml/2006/{kind}\">{content}\
         </a:graphicData></a:graphic></p:graphicFrame>",
        escaped(description),
        transform("p", rect)
    )
}

fn picture(
    package: &mut Package,
    slide: &str,
    id: usize,
    number: usize,
    rect: Rect,
    picture: &Picture,
) -> String {
    let (ending, content_type) = match picture.format {
        Format::Png => ("png", "image/png"),
        Format::Jpeg => ("jpeg", "image/jpeg"),
        Format::Gif => ("gif", "image/gif"),
    };
    let part = format!("ppt/media/image{number}.{ending}");
    package.bytes(&part, content_type, picture.data.to_vec());
    let reference = package.relate(slide, "image", &part);
    format!(
        "<p:pic><p:nvPicPr><p:cNvPr id=\"{id}\" name=\"Picture {id}\" descr=\"{}\"/><p:cNvPicPr>\
         <a:picLocks noChangeAspect=\"1\"/></p:cNvPicPr><p:nvPr/></p:nvPicPr><p:blipFill>\
         <a:blip r:embed=\"{reference}\"/>\
         <a:stretch><a:fillRect/></a:stretch></p:blipFill><p:spPr>{}<a:prstGeom prst=\"rect\"><a:avLst/>\
         </a:prstGeom>\
         </p:spPr></p:pic>",
        escaped(&picture.description),
        transform("a", rect)
    )
}

/// Adds `ppt/presentation.xml` with this many slides, 16:9.
pub fn add_presentation(package: &mut Package, slides: usize) {
    let part = "ppt/presentation.xml";
    let master = package.relate(part, "slideMaster", "ppt/slideMasters/slideMaster1.xml");
    let notes = package.relate(part, "notesMaster", "ppt/notesMasters/notesMaster1.xml");
    let list: String = (1..=slides)
        .map(|number| {
            let id = package.relate(part, "slide", &format!("ppt/slides/slide{number}.xml"));
            format!("<p:sldId id=\"{}\" r:id=\"{id}\"/>", 255 + number)
        })
        .collect();
    package.relate(part, "presProps", "ppt/presProps.xml");
    package.relate(part, "viewProps", "ppt/viewProps.xml");
    package.relate(part, "theme", "ppt/theme/theme1.xml");
    package.relate(part, "tableStyles", "ppt/tableStyles.xml");
    package.part(
        part,
        PRESENTATION,
        &format!(
            "<p:presentation {NAMESPACES} saveSubsetFonts=\"1\">\
             <p:sldMasterIdLst><p:sldMasterId id=\"2147483648\" r:id=\"{master}\"/></p:sldMasterIdLst>\
             <p:notesMasterIdLst><p:notesMasterId r:id=\"{notes}\"/></p:notesMasterIdLst>\
             <p:sldIdLst>{list}</p:sldIdLst>\
             <p:sldSz cx=\"12192000\" cy=\"6858000\"/><p:notesSz cx=\"6858000\" cy=\"9144000\"/>\
             </p:presentation>"
        ),
    );
}

/// A placeholder. Without a transform it has its position from the layout.
fn placeholder(id: usize, name: &str, kind: &str, transform: &str, body: &str) -> String {
    format!(
        "<p:sp><p:nvSpPr><p:cNvPr id=\"{id}\" name=\"{name} {id}\"/>\
         <p:cNvSpPr><a:spLocks noGrp=\"1\"/></p:cNvSpPr><p:nvPr><p:ph {kind}/></p:nvPr></p:nvSpPr>\
         <p:spPr>{transform}</p:spPr>{body}</p:sp>"
    )
}

fn inherited_body(paragraphs: &str) -> String {
    format!("<p:txBody><a:bodyPr><a:normAutofit/></a:bodyPr><a:lstStyle/>{paragraphs}</p:txBody>")
}
