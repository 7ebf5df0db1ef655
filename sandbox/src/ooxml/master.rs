//! The slide master, its layouts, the themes, the notes master, and the parts that every presentation has.

use super::package::Package;
use super::xml::{GROUP, NAMESPACES, transform};
use crate::deck::{Design, Rect, TEXT};

const LAYOUT: &str = "application/vnd.openxmlformats-officedocument.presentationml.slideLayout+xml";
const MASTER_PART: &str = "ppt/slideMasters/slideMaster1.xml";
const NOTES_PART: &str = "ppt/notesMasters/notesMaster1.xml";

const TITLE: Rect = Rect::new(838_200, 457_200, 10_515_600, 1_219_200);
const BODY: Rect = Rect::new(838_200, 1_905_000, 10_515_600, 4_191_000);

/// Adds the master, the layouts and the other parts that every presentation has.
pub fn add(package: &mut Package, design: &Design) {
    add_themes(package, design);
    add_master(package);
    add_layouts(package);
    add_notes_master(package);
    package.part(
        "ppt/presProps.xml",
        "application/vnd.openxmlformats-officedocument.presentationml.presProps+xml",
        &format!("<p:presentationPr {NAMESPACES}/>"),
    );
    package.part(
        "ppt/viewProps.xml",
        "application/vnd.openxmlformats-officedocument.presentationml.viewProps+xml",
        &format!("<p:viewPr {NAMESPACES}/>"),
    );
    package.part(
        "ppt/tableStyles.xml",
        "application/vnd.openxmlformats-officedocument.presentationml.tableStyles+xml",
        "<a:tblStyleLst xmlns:a=\"http://schemas.openxmlformats.org/drawingml/2006/main\" \
         def=\"{5C22544A-7EE6-4342-B048-85BDC9FD1C3A}\"/>",
    );
}

fn add_master(package: &mut Package) {
    let layouts: String = (1..=3)
        .map(|number| {
            let part = format!("ppt/slideLayouts/slideLayout{number}.xml");
            let id = package.relate(MASTER_PART, "slideLayout", &part);
            format!("<p:sldLayoutId id=\"{}\" r:id=\"{id}\"/>", 2_147_483_648_u32 + number)
        })
        .collect();
    package.relate(MASTER_PART, "theme", "ppt/theme/theme1.xml");
    // A band in the deck's colour along the left edge.
    let band = bar(9, Rect::new(0, 0, 228_600, 6_858_000), "accent1");
    let shapes = band
        + &shape(2, "Title", "type=\"title\"", TITLE, "anchor=\"b\"", "Title")
        + &shape(3, "Text", "type=\"body\" idx=\"1\"", BODY, "", "Text")
        + &footer(4, "dt", 10, Rect::new(838_200, 6_356_350, 2_743_200, 365_125), "l", "")
        + &footer(5, "ftr", 11, Rect::new(4_038_600, 6_356_350, 4_114_800, 365_125), "ctr", "")
        + &footer(6, "sldNum", 12, Rect::new(8_610_600, 6_356_350, 2_743_200, 365_125), "r", NUMBER);
    let levels: String = (1..=9)
        .map(|level: u32| {
            let size = match level {
                1 => 2400,
                2 => 2000,
                _ => 1800,
            };
            let indent = 228_600 + (level - 1) * 457_200;
            format!(
                "<a:lvl{level}pPr marL=\"{indent}\" indent=\"-228600\" algn=\"l\" defTabSz=\"914400\" \
                 rtl=\"0\" \
                 eaLnBrk=\"1\" latinLnBrk=\"0\" hangingPunct=\"1\"><a:lnSpc><a:spcPct val=\"100000\"/>\
                 </a:lnSpc>\
                 <a:spcBef><a:spcPts val=\"900\"/></a:spcBef><a:buClr><a:schemeClr val=\"accent1\"/>\
                 </a:buClr>\
                 <a:buFont typeface=\"Arial\"/><a:buChar char=\"&#8226;\"/>\
                 <a:defRPr sz=\"{size}\" kern=\"1200\"><a:solidFill><a:schemeClr val=\"tx1\"/>\
                 </a:solidFill>{}\
                 </a:defRPr></a:lvl{level}pPr>",
                fonts("mn")
            )
        })
        .collect();
    package.part(
        MASTER_PART,
        "application/vnd.openxmlformats-officedocument.presentationml.slideMaster+xml",
        &format!(
            "<p:sldMaster {NAMESPACES}><p:cSld><p:bg><p:bgRef idx=\"1001\"><a:schemeClr val=\"bg1\"/>\
             </p:bgRef>\
             </p:bg><p:spTree>{GROUP}{shapes}</p:spTree></p:cSld>{COLOURS}\
             <p:sldLayoutIdLst>{layouts}</p:sldLayoutIdLst><p:txStyles><p:titleStyle>\
             <a:lvl1pPr algn=\"l\" defTabSz=\"914400\" rtl=\"0\" eaLnBrk=\"1\" latinLnBrk=\"0\" \
             hangingPunct=\"1\"><a:lnSpc><a:spcPct val=\"95000\"/></a:lnSpc><a:spcBef><a:spcPct val=\"0\"/>\
             </a:spcBef><a:buNone/><a:defRPr sz=\"3600\" b=\"1\" kern=\"1200\"><a:solidFill>\
             <a:schemeClr val=\"tx2\"/></a:solidFill>{}</a:defRPr></a:lvl1pPr></p:titleStyle>\
             <p:bodyStyle>{levels}</p:bodyStyle><p:otherStyle><a:defPPr><a:defRPr lang=\"en-US\"/></a:defPPr>\
             </p:otherStyle></p:txStyles></p:sldMaster>",
            fonts("mj")
        ),
    );
}

fn add_layouts(package: &mut Package) {
    let accent = bar(9, Rect::new(929_640, 3_886_200, 1_828_800, 76_200), "accent1");
    let title_slide = accent
        + &shape(
            2,
            "Title",
            "type=\"ctrTitle\"",
            Rect::new(838_200, 1_447_800, 10_515_600, 2_286_000),
            "anchor=\"b\"",
            "Title",
        )
        + &shape(
            3,
            "Subtitle",
            "type=\"subTitle\" idx=\"1\"",
            Rect::new(838_200, 4_114_800, 10_515_600, 1_066_800),
            "",
            "Subtitle",
        )
        .replace(
            "<a:lstStyle/>",
            "<a:lstStyle><a:lvl1pPr marL=\"0\" indent=\"0\"><a:buNone/><a:defRPr sz=\"2400\"><a:solidFill>\
             <a:schemeClr val=\"accent6\"/></a:solidFill></a:defRPr></a:lvl1pPr></a:lstStyle>",
        );
    let title = inherited(2, "Title", "type=\"title\"", "Title");
    let content = title.clone() + &inherited(3, "Content", "idx=\"1\"", "Text");
    for (number, kind, name, shapes) in [
        (1, "title", "Title Slide", title_slide),
        (2, "obj", "Title and Content", content),
        (3, "titleOnly", "Title Only", title),
    ] {
        let part = format!("ppt/slideLayouts/slideLayout{number}.xml");
        package.relate(&part, "slideMaster", MASTER_PART);
        package.part(
            &part,
            LAYOUT,
            &format!(
                "<p:sldLayout {NAMESPACES} type=\"{kind}\" preserve=\"1\"><p:cSld name=\"{name}\"><p:spTree>\
                 {GROUP}{shapes}</p:spTree></p:cSld><p:clrMapOvr><a:masterClrMapping/></p:clrMapOvr>\
                 </p:sldLayout>"
            ),
        );
    }
}

fn add_notes_master(package: &mut Package) {
    package.relate(NOTES_PART, "theme", "ppt/theme/theme2.xml");
    let image = format!(
        "<p:sp><p:nvSpPr><p:cNvPr id=\"2\" name=\"Slide Image\"/><p:cNvSpPr>\
         <a:spLocks noGrp=\"1\" noRot=\"1\" noChangeAspect=\"1\"/></p:cNvSpPr>\
         <p:nvPr><p:ph type=\"sldImg\" idx=\"2\"/></p:nvPr></p:nvSpPr><p:spPr>{}\
         <a:prstGeom prst=\"rect\"><a:avLst/></a:prstGeom><a:noFill/><a:ln w=\"12700\"><a:solidFill>\
         <a:prstClr val=\"black\"/></a:solidFill></a:ln></p:spPr></p:sp>",
        transform("a", Rect::new(685_800, 1_143_000, 5_486_400, 3_086_100))
    );
    let text = shape(
        3,
        "Notes",
        "type=\"body\" sz=\"quarter\" idx=\"3\"",
        Rect::new(685_800, 4_400_550, 5_486_400, 3_600_450),
        "",
        "Text",
    );
    package.part(
        NOTES_PART,
        "application/vnd.openxmlformats-officedocument.presentationml.notesMaster+xml",
        &format!(
            "<p:notesMaster {NAMESPACES}><p:cSld><p:bg><p:bgRef idx=\"1001\"><a:schemeClr val=\"bg1\"/>\
             </p:bgRef></p:bg><p:spTree>{GROUP}{image}{text}</p:spTree></p:cSld>{COLOURS}<p:notesStyle>\
             <a:lvl1pPr marL=\"0\" algn=\"l\"><a:defRPr sz=\"1200\"><a:solidFill><a:schemeClr val=\"tx1\"/>\
             </a:solidFill>{}</a:defRPr></a:lvl1pPr></p:notesStyle></p:notesMaster>",
            fonts("mn")
        ),
    );
}

const COLOURS: &str = "<p:clrMap bg1=\"lt1\" tx1=\"dk1\" bg2=\"lt2\" tx2=\"dk2\" accent1=\"accent1\" \
    accent2=\"accent2\" accent3=\"accent3\" accent4=\"accent4\" accent5=\"accent5\" accent6=\"accent6\" \
    hlink=\"hlink\" folHlink=\"folHlink\"/>";

const NUMBER: &str = "<a:fld id=\"{B6F15528-21DE-4FAA-801E-634DDDAF4B2B}\" type=\"slidenum\">\
    <a:rPr lang=\"en-US\"/><a:t>‹#›</a:t></a:fld>";

fn fonts(which: &str) -> String {
    format!(
        "<a:latin typeface=\"+{which}-lt\"/><a:ea typeface=\"+{which}-ea\"/><a:cs typeface=\"+{which}-cs\"/>"
    )
}

fn text_body(body: &str, text: &str) -> String {
    format!(
        "<p:txBody><a:bodyPr {body}><a:normAutofit/></a:bodyPr><a:lstStyle/><a:p><a:r>\
         <a:rPr lang=\"en-US\"/><a:t>{text}</a:t></a:r></a:p></p:txBody>"
    )
}

fn shape(id: u32, name: &str, kind: &str, rect: Rect, body: &str, text: &str) -> String {
    format!(
        "<p:sp><p:nvSpPr><p:cNvPr id=\"{id}\" name=\"{name} {id}\"/><p:cNvSpPr><a:spLocks noGrp=\"1\"/>\
         </p:cNvSpPr><p:nvPr><p:ph {kind}/></p:nvPr></p:nvSpPr><p:spPr>{}<a:prstGeom prst=\"rect\"><a:avLst/>\
         </a:prstGeom></p:spPr>{}</p:sp>",
        transform("a", rect),
        text_body(body, text)
    )
}

fn inherited(id: u32, name: &str, kind: &str, text: &str) -> String {
    format!(
        "<p:sp><p:nvSpPr><p:cNvPr id=\"{id}\" name=\"{name} {id}\"/><p:cNvSpPr><a:spLocks noGrp=\"1\"/>\
         </p:cNvSpPr><p:nvPr><p:ph {kind}/></p:nvPr></p:nvSpPr><p:spPr/>{}</p:sp>",
        text_body("", text)
    )
}

fn footer(id: u32, kind: &str, index: u32, rect: Rect, align: &str, field: &str) -> String {
    let content = if field.is_empty() { "<a:endParaRPr lang=\"en-US\"/>" } else { field };
    format!(
        "<p:sp><p:nvSpPr><p:cNvPr id=\"{id}\" name=\"{kind} {id}\"/><p:cNvSpPr><a:spLocks noGrp=\"1\"/>\
         </p:cNvSpPr><p:nvPr><p:ph type=\"{kind}\" sz=\"quarter\" idx=\"{index}\"/></p:nvPr></p:nvSpPr>\
         <p:spPr>{}<a:prstGeom prst=\"rect\"><a:avLst/></a:prstGeom></p:spPr><p:txBody>\
         <a:bodyPr anchor=\"ctr\"/><a:lstStyle><a:lvl1pPr algn=\"{align}\"><a:defRPr sz=\"1200\"/>\
         </a:lvl1pPr>\
         </a:lstStyle><a:p>{content}</a:p></p:txBody></p:sp>",
        transform("a", rect)
    )
}

/// A rectangle in a colour of the theme.
fn bar(id: u32, rect: Rect, colour: &str) -> String {
    format!(
        "<p:sp><p:nvSpPr><p:cNvPr id=\"{id}\" name=\"Accent {id}\"/><p:cNvSpPr/><p:nvPr userDrawn=\"1\"/>\
         </p:nvSpPr><p:spPr>{}<a:prstGeom prst=\"rect\"><a:avLst/></a:prstGeom><a:solidFill>\
         <a:schemeClr val=\"{colour}\"/></a:solidFill><a:ln><a:noFill/></a:ln></p:spPr></p:sp>",
        transform("a", rect)
    )
}

fn add_themes(package: &mut Package, design: &Design) {
    for number in 1..=2 {
        package.part(
            &format!("ppt/theme/theme{number}.xml"),
            "application/vnd.openxmlformats-officedocument.theme+xml",
            &theme(design),
        );
    }
}

fn theme(design: &Design) -> String {
    let colour = |name: &str, value: &str| format!("<a:{name}><a:srgbClr val=\"{value}\"/></a:{name}>");
    let mut colours = colour("dk1", TEXT)
        + &colour("lt1", "FFFFFF")
        + &colour("dk2", design.dark)
        + &colour("lt2", design.light);
    for (at, value) in design.accents.iter().enumerate() {
        colours += &colour(&format!("accent{}", at + 1), value);
    }
    colours += &(colour("hlink", design.accents[0]) + &colour("folHlink", design.accents[3]));
    let font = |name: &str, face: &str| {
        format!(
            "<a:{name}Font><a:latin typeface=\"{face}\"/><a:ea typeface=\"\"/><a:cs typeface=\"\"/>\
             </a:{name}Font>"
        )
    };
    let fill = "<a:solidFill><a:schemeClr val=\"phClr\"/></a:solidFill>";
    let line = |width: u32| {
        format!(
            "<a:ln w=\"{width}\" cap=\"flat\" cmpd=\"sng\" algn=\"ctr\">{fill}<a:prstDash val=\"solid\"/>\
             </a:ln>"
        )
    };
    let effect = "<a:effectStyle><a:effectLst/></a:effectStyle>";
    format!(
        "<a:theme xmlns:a=\"http://schemas.openxmlformats.org/drawingml/2006/main\" name=\"{0}\">\
         <a:themeElements><a:clrScheme name=\"{0}\">{colours}</a:clrScheme><a:fontScheme name=\"{0}\">{1}{2}\
         </a:fontScheme><a:fmtScheme name=\"{0}\"><a:fillStyleLst>{fill}{fill}{fill}</a:fillStyleLst>\
         <a:lnStyleLst>{3}{4}{5}</a:lnStyleLst><a:effectStyleLst>{effect}{effect}{effect}</a:effectStyleLst>\
         <a:bgFillStyleLst>{fill}{fill}{fill}</a:bgFillStyleLst></a:fmtScheme></a:themeElements></a:theme>",
        design.name,
        font("major", design.fonts.0),
        font("minor", design.fonts.1),
        line(6350),
        line(12_700),
        line(19_050),
    )
}
