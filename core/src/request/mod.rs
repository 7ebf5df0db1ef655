//! What to make: the body of a submission, built field by field and checked before it costs anything.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;

use self::canonical::Document;
use crate::common::text;
use crate::error::{Error, Kind};
use crate::model::limits::MAX_BODY_BYTES;
use crate::model::output_type::OutputType;

mod canonical;
mod image;
mod json_string;

pub use self::canonical::CANONICAL_VERSION;

/// The most variants that can be asked for at once.
const MAX_VARIANTS: u64 = 1000;

const IMAGES: &str = "reference_images";
/// The documented fields that `set` takes, in the order of the documentation.
const FIELDS: [&str; 6] =
    ["output_type", "prompt", "template_name", "variant_count", "use_web_search", "use_knowledge_base"];

/// What the service is asked for.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Every field but the images, each value in its canonical form.
    fields: BTreeMap<String, Box<str>>,
    /// The elements of the images' array in the same form, each by itself or several with commas between
    /// them.
    images: Vec<Box<str>>,
}

/// A request as calls have it: the bytes that are sent and what has to be known of them. Thousands of these
/// may wait for their turn, so it is small, and the calls made with one request share it.
#[derive(Debug)]
pub struct EncodedRequest {
    /// Why it can't be sent, if it can't: the call ends with that.
    pub(crate) body: Result<Bytes, Error>,
    pub(crate) output_type: OutputType,
    pub(crate) variants: u32,
}

impl Request {
    /// The largest request, as JSON: 64 MiB.
    pub const MAX_BYTES: usize = MAX_BODY_BYTES;
    /// The largest reference image: 20 MB.
    pub const MAX_IMAGE_BYTES: usize = image::MAX_IMAGE_BYTES;

    /// A request for `single_slide` or `deck` from a prompt.
    ///
    /// # Errors
    /// `InvalidArgument` when the type is another or the prompt is empty.
    pub fn new(output_type: &str, prompt: &str) -> Result<Request, Error> {
        let mut request = Request::default();
        request.set("output_type", output_type)?;
        request.set("prompt", prompt)?;
        Ok(request)
    }

    /// Sets a documented field from text: numbers in decimal, `true` or `false`.
    ///
    /// # Errors
    /// `InvalidArgument` for an unknown field, with the known ones, or a value that it can't have.
    pub fn set(&mut self, field: &str, text: &str) -> Result<(), Error> {
        let value = match field {
            "output_type" if !matches!(OutputType::from(text), OutputType::Other(_)) => {
                Ok(json_string::canonical(text))
            }
            "output_type" => Err("single_slide or deck".to_owned()),
            "prompt" | "template_name" => non_empty(text).map(json_string::canonical),
            "variant_count" => text::integer(text, 1..=MAX_VARIANTS).map(|count| count.to_string()),
            "use_web_search" | "use_knowledge_base" => text::boolean(text).map(|_| text.into()),
            IMAGES => {
                return Err(Error::invalid(
                    "field reference_images is set with perceptis_request_add_image, \
                     perceptis_request_add_image_file or perceptis_request_set_json",
                ));
            }
            _ => {
                let sentence = text::unknown("field", field, &FIELDS);
                return Err(Error::invalid(format!(
                    "{sentence}; perceptis_request_set_json passes any other on"
                )));
            }
        };
        let value = value.map_err(|accepts| Error::invalid(text::refused("field", field, text, &accepts)))?;
        self.insert(field, value.into_boxed_str())
    }

    /// Sets any field, also one that this library does not know, from JSON; `null` takes the field out.
    ///
    /// # Errors
    /// `InvalidArgument` when the text is not JSON, has no canonical form (a name stands twice in an object,
    /// a surrogate stands alone, the nesting is too deep), or a documented field gets a value of another
    /// type.
    pub fn set_json(&mut self, field: &str, json: &str) -> Result<(), Error> {
        if field.is_empty() {
            return Err(Error::invalid("argument field is empty; accepted is a field's name"));
        }
        bound(json.len())?;
        let wrong =
            |why: &dyn std::fmt::Display| Error::invalid(format!("field {}: {why}", text::quoted(field)));
        let json: &RawValue =
            serde_json::from_str(json).map_err(|error| wrong(&format!("not JSON: {error}")))?;
        // It will be in the request's object.
        let value = Document::scan(json, 1).map_err(|refused| wrong(&refused.within(field)))?;
        self.take(field, value.canonical())
    }

    /// Adds an image from memory, checked by its first bytes.
    ///
    /// # Errors
    /// `InvalidArgument` when it is no image, is above 20 MB, or is not of the type given.
    pub fn add_image(&mut self, data: &[u8], mime_type: &str) -> Result<(), Error> {
        self.push_image(&image::encode("the image", data, Some(mime_type))?)
    }

    /// Adds an image from a file; its type is found by its first bytes.
    ///
    /// # Errors
    /// `File` when it can't be read, otherwise as [`Request::add_image`].
    pub fn add_image_file(&mut self, path: &Path) -> Result<(), Error> {
        let source = format!("the image {}", text::quoted(&path.to_string_lossy()));
        let unreadable = |error: std::io::Error| {
            Error::new(Kind::File, format!("{source} can't be read: {error}; accepted is an image file"))
        };
        // Before it is opened: opening a pipe would wait for its other end.
        if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
            return Err(Error::new(Kind::File, format!("{source} is not a file; accepted is an image file")));
        }
        let file = File::open(path).map_err(unreadable)?;
        let mut data = Vec::new();
        // One byte more than allowed is enough to know, however large the file is or grows.
        file.take(image::MAX_IMAGE_BYTES as u64 + 1).read_to_end(&mut data).map_err(unreadable)?;
        if data.len() > image::MAX_IMAGE_BYTES {
            return Err(Error::invalid(format!(
                "{source} is above 20 MB ({} bytes)",
                image::MAX_IMAGE_BYTES
            )));
        }
        self.push_image(&image::encode(&source, &data, None)?)
    }

    /// A request from a JSON object with the service's own field names.
    ///
    /// # Errors
    /// `InvalidArgument` when it is no object, has no canonical form, lacks `prompt` or `output_type`, or has
    /// a field of another type.
    pub fn from_json(json: &str) -> Result<Request, Error> {
        bound(json.len())?;
        let json: &RawValue = serde_json::from_str(json)
            .map_err(|error| Error::invalid(format!("argument json is not JSON: {error}")))?;
        let object =
            Document::scan(json, 0).map_err(|refused| Error::invalid(format!("argument json: {refused}")))?;
        let fields = object.fields().ok_or_else(|| {
            Error::invalid(
                "argument json is not a JSON object; accepted is an object with the request's fields",
            )
        })?;
        let mut request = Request::default();
        for (field, value) in fields {
            request.take(&field, value)?;
        }
        request.body()?;
        Ok(request)
    }

    /// The same for calls.
    pub fn wanted(&self) -> EncodedRequest {
        EncodedRequest {
            body: self.body(),
            output_type: self.output_type().unwrap_or_default(),
            variants: self.variants(),
        }
    }

    /// The body as it is sent.
    ///
    /// # Errors
    /// `InvalidArgument` when fields are missing, do not go together, or make more than 64 MiB.
    pub fn body(&self) -> Result<Bytes, Error> {
        for needed in ["output_type", "prompt"] {
            if !self.fields.contains_key(needed) {
                return Err(Error::invalid(format!("the request has no {needed}")));
            }
        }
        if self.output_type() == Some(OutputType::Deck) {
            for (there, field) in [
                (self.fields.contains_key("variant_count"), "variant_count"),
                (!self.images.is_empty(), IMAGES),
            ] {
                if there {
                    return Err(Error::invalid(format!(
                        "{field} can't be used with output_type deck; it goes with single_slide only"
                    )));
                }
            }
        }
        let parts = self.parts();
        bound(parts.iter().map(|part| part.len()).sum())?;
        // Of just its size: it is kept for as long as the call lasts.
        Ok(parts.concat().into_boxed_str().into_boxed_bytes().into())
    }

    /// The body in its parts, in their order.
    fn parts(&self) -> Vec<Cow<'_, str>> {
        let mut names: Vec<&str> = self.fields.keys().map(String::as_str).collect();
        names.extend((!self.images.is_empty()).then_some(IMAGES));
        names.sort_unstable_by(|one, other| json_string::compare(one, other));
        let mut parts: Vec<Cow<'_, str>> = Vec::with_capacity(4 * names.len() + 2 * self.images.len() + 2);
        for name in names {
            parts.push(if parts.is_empty() { "{" } else { "," }.into());
            parts.push(json_string::canonical(name).into());
            parts.push(":".into());
            match self.fields.get(name) {
                Some(value) => parts.push(Cow::Borrowed(value)),
                None => {
                    for (at, image) in self.images.iter().enumerate() {
                        parts.push(if at == 0 { "[" } else { "," }.into());
                        parts.push(Cow::Borrowed(image));
                    }
                    parts.push("]".into());
                }
            }
        }
        parts.push("}".into());
        parts
    }

    /// What is asked for, once it is set.
    fn output_type(&self) -> Option<OutputType> {
        self.read("output_type").as_ref().and_then(Value::as_str).map(OutputType::from)
    }

    /// How many variants are asked for: one unless set.
    fn variants(&self) -> u32 {
        let count = self.read("variant_count").as_ref().and_then(Value::as_u64).unwrap_or(1);
        u32::try_from(count).unwrap_or(1).max(1)
    }

    fn read(&self, field: &str) -> Option<Value> {
        serde_json::from_str(self.fields.get(field)?).ok()
    }

    /// Takes a field's canonical JSON, checked when the field is documented.
    fn take(&mut self, field: &str, value: Box<str>) -> Result<(), Error> {
        if &*value == "null" {
            self.fields.remove(field);
            if field == IMAGES {
                self.images.clear();
            }
            return Ok(());
        }
        let refuse = |accepts: &str| Err(Error::invalid(text::refused("field", field, &value, accepts)));
        match field {
            "output_type" | "prompt" | "template_name" => {
                match serde_json::from_str::<String>(&value).map(|text| non_empty(&text).is_ok()) {
                    Ok(true) => {}
                    _ => return refuse("a JSON string that is not empty"),
                }
            }
            "variant_count" => match serde_json::from_str::<u64>(&value) {
                Ok(1..=MAX_VARIANTS) => {}
                _ => return refuse(&format!("a whole number from 1 to {MAX_VARIANTS}")),
            },
            "use_web_search" | "use_knowledge_base" if serde_json::from_str::<bool>(&value).is_err() => {
                return refuse("true or false");
            }
            IMAGES if value.starts_with('[') => {
                bound(self.size_without(field) + value.len())?;
                let mut list = String::from(value);
                list.pop();
                list.remove(0);
                self.images = if list.is_empty() { Vec::new() } else { vec![list.into_boxed_str()] };
                return Ok(());
            }
            IMAGES => return refuse("an array of {data, mime_type}"),
            _ => {}
        }
        self.insert(field, value)
    }

    fn insert(&mut self, field: &str, value: Box<str>) -> Result<(), Error> {
        bound(self.size_without(field) + field.len() + value.len())?;
        self.fields.insert(field.to_owned(), value);
        Ok(())
    }

    fn push_image(&mut self, image: &image::Image<'_>) -> Result<(), Error> {
        let image = serde_json::to_string(image).map_err(|error| {
            Error::new(Kind::Internal, format!("the image can't be written as JSON: {error}"))
        })?;
        bound(self.size_without("") + image.len())?;
        self.images.push(image.into_boxed_str());
        Ok(())
    }

    /// How many bytes there are at least, but for this field.
    fn size_without(&self, field: &str) -> usize {
        let others = self.fields.iter().filter(|(name, _)| *name != field);
        let images = self.images.iter().filter(|_| field != IMAGES);
        others.map(|(name, value)| name.len() + value.len()).chain(images.map(|image| image.len())).sum()
    }
}

/// Nothing is kept that could never be sent.
fn bound(bytes: usize) -> Result<(), Error> {
    if bytes <= MAX_BODY_BYTES {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "the request would have {bytes} bytes; at most {MAX_BODY_BYTES} (64 MiB) are accepted"
    )))
}

fn non_empty(text: &str) -> Result<&str, String> {
    if text.trim().is_empty() { Err("text that is not empty".into()) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\nrest";

    #[test]
    fn the_same_request_is_the_same_bytes() {
        let mut one = Request::new("single_slide", "p").unwrap();
        one.set("variant_count", "2").unwrap();
        one.set_json("future", r#"{"b":1e400,"a":[12345678901234567890123]}"#).unwrap();
        let two = Request::from_json(
            r#"{"future":{"b":1e400,"a":[12345678901234567890123]},"variant_count":2,"prompt":"p",
            "output_type":"single_slide"}"#,
        )
        .unwrap();
        assert_eq!(one.body().unwrap(), two.body().unwrap());
        assert!(String::from_utf8_lossy(&one.body().unwrap()).contains("12345678901234567890123"));
    }

    #[test]
    fn a_body_is_canonical_however_it_was_made() {
        let json = r#" { "\u0070rompt" : "\u00fc\/" , "z" : { "b":[ ], "a":1.0 }, "\ue000":0,
            "\ud83d\ude00":0, "gone":null, "output_type":"single_slide",
            "reference_images":[ {"mime_type":"image/png","data":"a\/b"} ] } "#;
        let expected = concat!(
            r#"{"output_type":"single_slide","prompt":"ü/","#,
            r#""reference_images":[{"data":"a/b","mime_type":"image/png"}],"#,
            "\"z\":{\"a\":1.0,\"b\":[]},\"\u{1f600}\":0,\"\u{e000}\":0}"
        );
        assert_eq!(Request::from_json(json).unwrap().body().unwrap(), expected);
        assert_eq!(Request::from_json(expected).unwrap().body().unwrap(), expected);
        let mut set = Request::new("single_slide", "ü/").unwrap();
        for (field, value) in [
            ("\u{e000}", " 0 "),
            ("gone", "1"),
            ("\u{1f600}", "0"),
            ("gone", " null "),
            ("z", r#"{"b":[],"\u0061":1.0}"#),
            (IMAGES, r#"[ { "mime_type":"image/png", "data":"a\/b" } ]"#),
        ] {
            set.set_json(field, value).unwrap();
        }
        assert_eq!(set.body().unwrap(), expected);
        set.add_image(PNG, "image/png").unwrap();
        let body = String::from_utf8(set.body().unwrap().to_vec()).unwrap();
        let images =
            r#"[{"data":"a/b","mime_type":"image/png"},{"data":"iVBORw0KGgpyZXN0","mime_type":"image/png"}]"#;
        assert!(body.contains(images), "{body}");
        set.set_json(IMAGES, "[]").unwrap();
        assert!(!String::from_utf8(set.body().unwrap().to_vec()).unwrap().contains(IMAGES));
    }

    #[test]
    fn json_without_a_canonical_form_is_refused() {
        let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let whole = |more: &str| format!(r#"{{"output_type":"deck","prompt":"p",{more}}}"#);
        let mut request = Request::new("deck", "p").unwrap();
        for (value, says) in [
            (r#"{"a":{"b":1,"b":1}}"#, r#"field "x": at $.x.a: the name "b" stands twice"#),
            (r#"["\ud800"]"#, r#"field "x": at $.x[0]: the escape \ud800"#),
            (&deep(128), "nested more than 128 deep"),
        ] {
            let error = request.set_json("x", value).unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidArgument);
            assert!(error.message().contains(says), "{error}");
            let error = Request::from_json(&whole(&format!("\"x\":{value}"))).unwrap_err();
            let says = says.replace("field \"x\"", "argument json");
            assert!(error.kind() == Kind::InvalidArgument && error.message().contains(&says), "{error}");
        }
        request.set_json("x", &deep(127)).unwrap();
        let error = Request::from_json(&whole(r#""\u0070rompt":"q""#)).unwrap_err();
        assert!(error.message().contains(r#"at $: the name "prompt" stands twice"#), "{error}");
        for other in ["[1]", "7", "\"x\"", "null"] {
            let error = Request::from_json(other).unwrap_err();
            assert!(error.message().contains("not a JSON object"), "{error}");
        }
    }

    #[test]
    fn fields_that_do_not_go_together_are_refused() {
        let mut deck = Request::new("deck", "p").unwrap();
        deck.set("variant_count", "2").unwrap();
        assert!(deck.body().unwrap_err().message().contains("variant_count"));
        let mut deck = Request::new("deck", "p").unwrap();
        deck.add_image(PNG, "image/png").unwrap();
        assert!(deck.body().unwrap_err().message().contains("reference_images"));
    }

    #[test]
    fn what_is_no_image_is_refused() {
        let mut request = Request::new("single_slide", "p").unwrap();
        assert!(request.add_image(b"hello", "image/png").unwrap_err().message().contains("no image"));
        assert!(request.add_image(PNG, "image/jpeg").unwrap_err().message().contains("image/png"));
        let mut large = PNG.to_vec();
        large.resize(image::MAX_IMAGE_BYTES + 1, 0);
        assert!(request.add_image(&large, "image/png").unwrap_err().message().contains("20 MB"));
        let missing = request.add_image_file(Path::new("/nonexistent.png")).unwrap_err();
        assert_eq!(missing.kind(), Kind::File);
    }
}
