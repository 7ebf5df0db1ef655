//! The body of a submission, validated as the documentation says.

use base64::Engine as _;
use serde_json::Value;

use super::scenario::Scenario;
use crate::deck::{self, Design, Picture};
use crate::hash;
use crate::http::{Request, Response};

/// The documentation has no limit; ten keep a mistake cheap.
const MAX_VARIANTS: u64 = 10;
/// What of a prompt is kept: far more than fits on slides.
const MAX_PROMPT_BYTES: usize = 64 << 10;
/// So many of the reference images are on the slide.
const MAX_PICTURES: usize = 4;

/// What kind of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputType {
    /// One slide, in one or more variants.
    SingleSlide,
    /// A deck.
    Deck,
}

impl OutputType {
    /// As the API names it.
    pub fn name(self) -> &'static str {
        match self {
            OutputType::SingleSlide => "single_slide",
            OutputType::Deck => "deck",
        }
    }
}

/// A valid request.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// What kind of output.
    pub output_type: OutputType,
    /// What to make, cut to what can matter.
    pub prompt: String,
    /// How many files.
    pub variants: u32,
    /// The template that was asked for.
    pub template: Option<Design>,
    /// The reference images that can be shown.
    pub pictures: Vec<Picture>,
    /// How many slides its deck has; what a deck costs.
    pub slides: usize,
    /// What its prompt asks to go wrong.
    pub scenarios: Vec<Scenario>,
    /// The digest of the body's meaning: the order of its fields and white space do not count.
    pub digest: [u8; 32],
}

/// Why a body is not accepted.
#[derive(Debug)]
pub struct Refusal {
    status: u16,
    code: &'static str,
    message: String,
}

impl Refusal {
    /// What is answered.
    pub fn response(&self) -> Response {
        Response::error(self.status, self.code, self.message.as_str())
    }
}

impl From<String> for Refusal {
    fn from(message: String) -> Refusal {
        Refusal { status: 400, code: "invalid_request", message }
    }
}

impl From<&str> for Refusal {
    fn from(message: &str) -> Refusal {
        message.to_owned().into()
    }
}

/// Reads and validates a body, or says what is wrong with it.
pub fn read(request: &Request) -> Result<Wanted, Refusal> {
    let kind = request.header("content-type").unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err("Content-Type must be application/json".into());
    }
    let body: Value =
        serde_json::from_slice(&request.body).map_err(|error| format!("the body is not JSON: {error}"))?;
    let Some(fields) = body.as_object() else { return Err("the body must be a JSON object".into()) };
    // An explicit null counts as left out.
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
            return Err(format!("{name} goes with single_slide only").into());
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
    let mut pictures = Vec::new();
    match field("reference_images").map(Value::as_array) {
        None => {}
        Some(None) => return Err("reference_images must be an array".into()),
        Some(Some(images)) => {
            for (at, image) in images.iter().enumerate() {
                let bytes = image_of(image).map_err(|wrong| format!("reference_images[{at}]{wrong}"))?;
                if pictures.len() < MAX_PICTURES {
                    pictures.extend(deck::picture(bytes));
                }
            }
        }
    }
    let scenarios = Scenario::in_prompt(prompt)?;
    let end =
        (0..=prompt.len().min(MAX_PROMPT_BYTES)).rev().find(|end| prompt.is_char_boundary(*end)).unwrap_or(0);
    Ok(Wanted {
        output_type,
        prompt: prompt[..end].to_owned(),
        variants,
        template,
        pictures,
        slides: if output_type == OutputType::Deck { deck::slides_of(&prompt[..end]) } else { 1 },
        scenarios,
        // serde_json keeps an object's fields sorted, so equal objects are equal texts.
        digest: hash::sha256(&[body.to_string().as_bytes()]),
    })
}

/// A whole number; 3.0 is one, too (JSON Schema, 6.1.1).
pub fn whole(value: &Value) -> Option<u64> {
    // Every number below this is an f64 exactly.
    const EXACT: f64 = (1_u64 << 53) as f64;
    let of_float =
        |number: f64| (number.fract() == 0.0 && (0.0..EXACT).contains(&number)).then_some(number as u64);
    value.as_u64().or_else(|| value.as_f64().and_then(of_float))
}

/// The docs say neither which templates there are nor how an unknown one is refused: as `not_found` here,
/// which they have for resources that a key can't see.
fn template(name: &str) -> Result<Design, Refusal> {
    if name == deck::AMBIGUOUS {
        let message = format!("more than one template has the name {name:?}");
        return Err(Refusal { status: 409, code: "ambiguous_template_name", message });
    }
    deck::template(name).ok_or_else(|| {
        let name: String = name.chars().take(60).collect();
        let message =
            format!("there is no template {name:?}; the sandbox has {}", deck::templates().join(", "));
        Refusal { status: 404, code: "not_found", message }
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
