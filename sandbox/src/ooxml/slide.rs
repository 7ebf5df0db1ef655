//! Slides, their notes, and the presentation that lists them.

use super::package::Package;
use super::xml::{NAMESPACES, escaped};
use crate::deck::{Block, Bullet, Layout, Slide};

const SLIDE: &str = "application/vnd.openxmlformats-officedocument.presentationml.slide+xml";
const NOTES: &str = "application/vnd.openxmlformats-officedocument.presentationml.notesSlide+xml";
const PRESENTATION: &str =
    "application/vnd.openxmlformats-officedocument.presentationml.presentation.main+xml";

/// The empty group that every shape tree begins with.
pub const GROUP: &str = "<p:nvGrpSpPr><p:cNvPr id=\"1\" name=\"\"/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr>\
    <p:grpSpPr><a:xfrm><a:off x=\"0\" y=\"0\"/><a:ext cx=\"0\" cy=\"0\"/><a:chOff x=\"0\" y=\"0\"/>\
    <a:chExt cx=\"0\" cy=\"0\"/></a:xfrm></p:grpSpPr>";

/// The layout's part.
pub fn layout_part(layout: Layout) -> &'static str {
    match layout {
        Layout::Title => "ppt/slideLayouts/slideLayout1.xml",
        Layout::Content => "ppt/slideLayouts/slideLayout2.xml",
    }
}

/// Adds the slide of this number, from 1, and its notes.
pub fn add(package: &mut Package, number: usize, slide: &Slide) {
    let part = format!("ppt/slides/slide{number}.xml");
    let notes = format!("ppt/notesSlides/notesSlide{number}.xml");
    package.relate(&part, "slideLayout", layout_part(slide.layout));
    package.relate(&part, "notesSlide", &notes);
    package.relate(&notes, "notesMaster", "ppt/notesMasters/notesMaster1.xml");
    package.relate(&notes, "slide", &part);

    let title_kind = if slide.layout == Layout::Title { "ctrTitle" } else { "title" };
    let mut shapes = placeholder(2, "Title", &format!("type=\"{title_kind}\""), &paragraph(&slide.title, 0));
    for (at, block) in slide.blocks.iter().enumerate() {
        let id = at + 3;
        shapes += &match block {
            Block::Subtitle(text) => {
                placeholder(id, "Subtitle", "type=\"subTitle\" idx=\"1\"", &paragraph(text, 0))
            }
            Block::Bullets(bullets) => placeholder(id, "Content", "idx=\"1\"", &paragraphs(bullets)),
        };
    }
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
    let text = placeholder(3, "Notes", "type=\"body\" idx=\"1\"", &paragraph(&slide.notes, 0));
    package.part(
        &notes,
        NOTES,
        &format!(
            "<p:notes {NAMESPACES}><p:cSld><p:spTree>{GROUP}{image}{text}</p:spTree></p:cSld>\
             <p:clrMapOvr><a:masterClrMapping/></p:clrMapOvr></p:notes>"
        ),
    );
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

/// A shape that inherits its place and looks from the layout.
fn placeholder(id: usize, name: &str, kind: &str, paragraphs: &str) -> String {
    format!(
        "<p:sp><p:nvSpPr><p:cNvPr id=\"{id}\" name=\"{name} {id}\"/>\
         <p:cNvSpPr><a:spLocks noGrp=\"1\"/></p:cNvSpPr><p:nvPr><p:ph {kind}/></p:nvPr></p:nvSpPr><p:spPr/>\
         <p:txBody><a:bodyPr><a:normAutofit/></a:bodyPr><a:lstStyle/>{paragraphs}</p:txBody></p:sp>"
    )
}

fn paragraphs(bullets: &[Bullet]) -> String {
    if bullets.is_empty() {
        return "<a:p/>".into();
    }
    bullets.iter().map(|bullet| paragraph(&bullet.text, bullet.level)).collect()
}

fn paragraph(text: &str, level: u8) -> String {
    let mut attributes = if level > 0 { format!(" lvl=\"{level}\"") } else { String::new() };
    if is_right_to_left(text) {
        // The direction alone leaves a paragraph at the left.
        attributes += " algn=\"r\" rtl=\"1\"";
    }
    let properties = if attributes.is_empty() { String::new() } else { format!("<a:pPr{attributes}/>") };
    format!(
        "<a:p>{properties}<a:r><a:rPr lang=\"en-US\" dirty=\"0\"/><a:t>{}</a:t></a:r></a:p>",
        escaped(text)
    )
}

/// By the first letter of a script that has a direction: Hebrew, Arabic and their kin, or any other.
fn is_right_to_left(text: &str) -> bool {
    text.chars().find(|c| c.is_alphabetic()).is_some_and(|c| {
        matches!(u32::from(c), 0x590..=0x8ff | 0xfb1d..=0xfdff | 0xfe70..=0xfeff | 0x1_0800..=0x1_0fff | 0x1_e800..=0x1_efff)
    })
}
