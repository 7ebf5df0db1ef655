//! Reference images: what is accepted as one.

use base64::Engine as _;
use serde::Serialize;

use crate::common::text;
use crate::error::Error;

/// The largest image: 20 MB.
pub(crate) const MAX_IMAGE_BYTES: usize = 20_000_000;

const ACCEPTED: &str = "image/png, image/jpeg, image/gif, image/webp, image/bmp, image/tiff";

/// One entry of `reference_images`, as the service takes it.
#[derive(Serialize)]
pub(crate) struct Image<'a> {
    data: String,
    mime_type: &'a str,
}

/// Checks an image and encodes it. `source` names it in messages; `declared` is the type that the caller
/// gave, if it gave one.
pub(crate) fn encode(source: &str, data: &[u8], declared: Option<&str>) -> Result<Image<'static>, Error> {
    if data.len() > MAX_IMAGE_BYTES {
        return Err(Error::invalid(format!(
            "{source} has {} bytes; an image has at most {MAX_IMAGE_BYTES} (20 MB)",
            data.len()
        )));
    }
    let Some(found) = recognize(data) else {
        return Err(Error::invalid(format!("{source} is no image; accepted are {ACCEPTED}")));
    };
    if let Some(declared) = declared
        && !declared.eq_ignore_ascii_case(found)
        && !(declared.eq_ignore_ascii_case("image/jpg") && found == "image/jpeg")
    {
        return Err(Error::invalid(format!(
            "mime_type is {}, but {source} is {found}; accepted are {ACCEPTED}",
            text::quoted(declared)
        )));
    }
    Ok(Image { data: base64::engine::general_purpose::STANDARD.encode(data), mime_type: found })
}

/// The type by the first bytes, as each format's specification fixes them.
fn recognize(data: &[u8]) -> Option<&'static str> {
    let starts = |magic: &[u8]| data.starts_with(magic);
    if starts(b"\x89PNG\r\n\x1a\n") {
        Some("image/png")
    } else if starts(b"\xff\xd8\xff") {
        Some("image/jpeg")
    } else if starts(b"GIF87a") || starts(b"GIF89a") {
        Some("image/gif")
    } else if starts(b"RIFF") && data.get(8..12) == Some(b"WEBP") {
        Some("image/webp")
    } else if starts(b"BM") && data.len() > 26 {
        Some("image/bmp")
    } else if starts(b"II*\0") || starts(b"MM\0*") {
        Some("image/tiff")
    } else {
        None
    }
}
