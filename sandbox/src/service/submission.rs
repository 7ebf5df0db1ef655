//! Submissions: the body of one, validated as the documentation says.

use base64::Engine as _;
use serde_json::Value;

use super::scenario::Scenario;
use crate::deck::{self, Design, Picture};
use crate::hash;
use crate::http::{Request, Response};

/// The documentation has no limit. This one keeps a mistake cheap.
const MAX_VARIANTS: u64 = 10;
/// The length to which a prompt is cut. It is far more than fits on slides.
const MAX_PROMPT_BYTES: usize = 64 << 10;
/// The number of reference images that a slide shows.
const MAX_PICTURES: usize = 4;

/// The kind of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputType {
    /// One slide, in one or more variants.
    SingleSlide,
    /// A deck.
    Deck,
}

impl OutputType {
    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            OutputType::SingleSlide => "single_slide",
            OutputType::Deck => "deck",
        }
    }
}

/// A valid submission.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The kind of output.
    pub output_type: OutputType,
    /// The prompt, cut to the length that is kept.
    pub prompt: String,
    /// The number of files.
    pub variants: u32,
    /// The template that it names.
    pub template: Option<Design>,
    /// The reference images that a slide can show.
    pub pictures: Vec<Picture>,
    /// The number of slides, which is the price of a deck.
    pub slides: usize,
    /// The scenarios of its prompt.
    pub scenarios: Vec<Scenario>,
    /// A digest of the JSON value of the body: white space and the order of fields do not change it.
    pub digest: [u8; 32],
}

/// Why a submission is not valid.
#[derive(Debug)]
pub struct InvalidSubmission {
    status: u16,
    code: &'static str,
    message: String,
}

impl InvalidSubmission {
    /// The response that says so.
    pub fn response(&self) -> Response {
        Response::error(self.status, self.code, self.message.as_str())
    }
}

impl From<String> for InvalidSubmission {
    fn from(message: String) -> InvalidSubmission {
        InvalidSubmission { status: 400, code: "invalid_request", message }
    }
}

impl From<&str> for InvalidSubmission {
    fn from(message: &str) -> InvalidSubmission {
        message.to_owned().into()
    }
}

/// Reads and validates the body of a request.
pub fn read(request: &Request) -> Result<Submission, InvalidSubmission> {
    let content_type = request.header("content-type").unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err("Content-Type must be application/json".into());
    }
    let body: Value =
        serde_json::from_slice(&request.body).map_err(|error| format!("the body is not JSON: {error}"))?;
    let Some(fields) = body.as_object() else { return Err("the body must be a JSON object".into()) };
    // A field that is null counts as absent.
    let field = |name: &str| fields.get(name).filter(|value| !value.is_null());

    let prompt = match field("prompt").map(Value::as_str) {
        Some(Some(prompt)) if !prompt.trim().is_empty() => prompt,
        _ => return Err("prompt must be a string that is not empty".into()),
    };
    let output_type = match field("output_type").and_then(Value::as_str) {
        Some("single_slide") => OutputType::SingleSlide,
        Some("deck") => OutputType::Deck,
        _ => return Err("output_type must be single_slide or deck".into()),
    };
    for name in ["variant_count", "reference_images"] {
        if output_type == OutputType::Deck && field(name).is_some() {
            return Err(format!("{name} is accepted with single_slide only").into());
        }
    }
    let variants = match field("variant_count").map(whole) {
        None => 1,
        Some(Some(count @ 1..=MAX_VARIANTS)) => u32::try_from(count).unwrap_or(1),
        Some(_) => {
            return Err(format!("variant_count must be a whole number from 1 to {MAX_VARIANTS}").into());
        }
    };
    let template = match field("template_name").map(Value::as_str) {
        None => None,
        Some(None | Some("")) => return Err("template_name must be a string that is not empty".into()),
        Some(Some(name)) => Some(template(name)?),
    };
    for name in ["use_web_search", "use_knowledge_base"] {
        if field(name).is_some_and(|value| !value.is_boolean()) {
            return Err(format!("{name} must be true or false").into());
        }
    }
    let pictures = pictures(field("reference_images"))?;
    let scenarios = Scenario::in_prompt(prompt)?;
    let end =
        (0..=prompt.len().min(MAX_PROMPT_BYTES)).rev().find(|end| prompt.is_char_boundary(*end)).unwrap_or(0);
    Ok(Submission {
        output_type,
        prompt: prompt[..end].to_owned(),
        variants,
        template,
        pictures,
        slides: if output_type == OutputType::Deck { deck::slides_of(&prompt[..end]) } else { 1 },
        scenarios,
        // serde_json sorts the fields of an object, so that equal objects become equal texts.
        digest: hash::sha256(&[body.to_string().as_bytes()]),
    })
}

/// The reference images that a slide can show. All of them are validated.
fn pictures(images: Option<&Value>) -> Result<Vec<Picture>, InvalidSubmission> {
    let Some(images) = images else { return Ok(Vec::new()) };
    let images = images.as_array().ok_or("reference_images must be an array")?;
    let mut pictures = Vec::new();
    for (at, image) in images.iter().enumerate() {
        let bytes = image_of(image).map_err(|wrong| format!("reference_images[{at}]{wrong}"))?;
        if pictures.len() < MAX_PICTURES {
            pictures.extend(deck::picture(bytes));
        }
    }
    Ok(pictures)
}

/// A whole number. 3.0 is one, too (JSON Schema, 6.1.1).
pub fn whole(value: &Value) -> Option<u64> {
    // An f64 holds every whole number below this exactly.
    const EXACT: f64 = (1_u64 << 53) as f64;
    let of_float =
        |number: f64| (number.fract() == 0.0 && (0.0..EXACT).contains(&number)).then_some(number as u64);
    value.as_u64().or_else(|| value.as_f64().and_then(of_float))
}

/// The template of this name. The documentation says neither which templates there are nor how an unknown one
/// is refused. Here the error is `not_found`, as for every other resource that a key can't see.
fn template(name: &str) -> Result<Design, InvalidSubmission> {
    if name == deck::AMBIGUOUS {
        let message = format!("more than one template has the name {name:?}");
        return Err(InvalidSubmission { status: 409, code: "ambiguous_template_name", message });
    }
    deck::template(name).ok_or_else(|| {
        let name: String = name.chars().take(60).collect();
        let message =
            format!("there is no template {name:?}; the sandbox has {}", deck::templates().join(", "));
        InvalidSubmission { status: 404, code: "not_found", message }
    })
}

fn image_of(image: &Value) -> Result<Vec<u8>, &'static str> {
    let mime_type = image.get("mime_type").and_then(Value::as_str).unwrap_or_default();
    if !mime_type.starts_with("image/") || mime_type.len() == "image/".len() {
        return Err(".mime_type must be an image type, such as image/png");
    }
    let data = image.get("data").and_then(Value::as_str).unwrap_or_default();
    match base64::engine::general_purpose::STANDARD.decode(data) {
        Ok(bytes) if !bytes.is_empty() => Ok(bytes),
        _ => Err(".data must be base64 and not empty"),
    }
}
