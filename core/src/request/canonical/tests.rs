//! The canonical form, held against the RFC's examples, a plain writer of it, and texts that have none.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::request::json_string;

fn canonical(json: &str) -> String {
    let raw: &RawValue = serde_json::from_str(json).unwrap();
    Document::scan(raw, 0).unwrap_or_else(|refused| panic!("{json}: {refused}")).canonical().into()
}

fn refused(json: &str) -> String {
    let raw: &RawValue = serde_json::from_str(json).unwrap();
    match Document::scan(raw, 0) {
        Ok(document) => panic!("{json} is accepted as {}", document.canonical()),
        Err(refused) => refused.to_string(),
    }
}

/// RFC 8785, 3.2.2, 3.2.3 and the test data that its appendix G points to; the numbers stay as they are here.
#[test]
fn canonical_form_of_the_rfcs_examples() {
    for (given, expected) in [
        (
            r#"{
                "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
                "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
                "literals": [null, true, false]
            }"#,
            concat!(
                r#"{"literals":[null,true,false],"#,
                r#""numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"#,
                r#""string":"€$\u000f\nA'B\"\\\\\"/"}"#
            ),
        ),
        (
            r#"{
                "\u20ac": "Euro Sign", "\r": "Carriage Return",
                "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One",
                "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control",
                "\u00f6": "Latin Small Letter O With Diaeresis"
            }"#,
            concat!(
                "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",",
                "\"ö\":\"Latin Small Letter O With Diaeresis\",\"€\":\"Euro Sign\",",
                "\"\u{1f600}\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}"
            ),
        ),
        (r#"[ 56, { "d": true, "10": null, "1": [ ] } ]"#, r#"[56,{"1":[],"10":null,"d":true}]"#),
        (
            r#"{ "peach": 1, "péché": 2, "pêche": 3, "sin":   4 }"#,
            r#"{"peach":1,"péché":2,"pêche":3,"sin":4}"#,
        ),
        (
            r#"{ "1": {"f": {"f": "hi","F": 5} ,"\n": 56.0}, "10": { }, "": "empty", "a": { },
                 "111": [ {"e": "yes","E": "no" } ], "A": { } }"#,
            concat!(
                r#"{"":"empty","1":{"\n":56.0,"f":{"F":5,"f":"hi"}},"10":{},"#,
                r#""111":[{"E":"no","e":"yes"}],"A":{},"a":{}}"#
            ),
        ),
        ("{ \"Unnormalized Unicode\": \"A\\u030a\" }", "{\"Unnormalized Unicode\":\"A\u{30a}\"}"),
        (
            r#"{ "\u000a": "Newline", "\r": "Return", "\u0080": "Control\u007f", "</script>": "Browser" }"#,
            "{\"\\n\":\"Newline\",\"\\r\":\"Return\",\"</script>\":\"Browser\",\"\u{80}\":\"Control\u{7f}\"}",
        ),
    ] {
        assert_eq!(canonical(given), expected);
    }
}

/// Those of appendix B, and such as no double is.
#[test]
fn numbers_stay_as_they_were_given() {
    for number in [
        "0",
        "-0",
        "5e-324",
        "-5E-324",
        "1.7976931348623157e308",
        "9007199254740992",
        "-9007199254740992",
        "295147905179352830000",
        "9.999999999999997e22",
        "1e+23",
        "333333333.33333329",
        "424242424.2424242424242424",
        "12345678901234567890123",
        "1e400",
        "4.50",
    ] {
        let given = format!("[ {number} , {{ \"n\" : {number} }} ]");
        assert_eq!(canonical(&given), format!("[{number},{{\"n\":{number}}}]"));
    }
}

#[test]
fn names_that_stand_twice_are_refused() {
    for (json, says) in [
        (r#"{"a":1,"a":1}"#, r#"at $: the name "a" stands twice"#),
        (r#"{"a":1,"b":2,"\u0061":3}"#, r#"at $: the name "a" stands twice"#),
        (r#"{"a":{"b":[0,{"c":{},"d":1,"c":null}]}}"#, r#"at $.a.b[1]: the name "c" stands twice"#),
        (r#"[[],[{"":0,"":0}]]"#, r#"at $[1][0]: the name "" stands twice"#),
        (r#"{"two words":{"x":1,"x":2}}"#, r#"at $["two words"]: the name "x" stands twice"#),
    ] {
        let said = refused(json);
        assert!(said.starts_with(says), "{json}: {said}");
    }
    canonical(r#"{"a":{"a":{"a":[{"a":1},{"a":1}]}}}"#);
}

#[test]
fn halves_of_surrogate_pairs_are_refused() {
    for half in
        [r"\ud800", r"\uDFFF", r"\ud800\ud800", r"\ud83dx", r"\ud83d\n", r"\ude00\ud83d", r"\ud83d\u0061"]
    {
        let said = refused(&format!("{{\"a\":[\"x{half}\"]}}"));
        assert!(
            said.starts_with("at $.a[0]: the escape \\u") && said.contains("surrogate"),
            "{half}: {said}"
        );
        let said = refused(&format!("{{\"a\":{{\"{half}\":1}}}}"));
        assert!(said.starts_with("at $.a: the escape \\u"), "{half}: {said}");
    }
    assert_eq!(canonical(r#""\uD83D\uDE00\\ud800""#), "\"\u{1f600}\\\\ud800\"");
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let objects = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    assert_eq!(canonical(&nested(128)), nested(128));
    assert_eq!(canonical(&objects(128)), objects(128));
    for deep in [nested(129), objects(129), nested(1_000_000)] {
        let said = refused(&deep);
        assert!(said.contains("nested more than 128 deep") && said.len() < 500, "{said}");
    }
    // What is around it counts.
    let scan = |depth| Document::scan(serde_json::from_str(&nested(128)).unwrap(), depth).is_ok();
    assert!(scan(0) && !scan(1));
}

/// JSON as it is meant.
#[derive(Clone, Debug)]
enum Json {
    /// A number, `true`, `false` or `null`.
    Literal(String),
    Text(String),
    Array(Vec<Json>),
    /// The names differ.
    Object(Vec<(String, Json)>),
}

fn json() -> impl Strategy<Value = Json> {
    let literal =
        prop_oneof!["null", "true", "false", "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,3})?"];
    let text = || {
        prop_oneof![
            any::<String>(),
            "[a-c]{0,2}",
            "[\u{0}-\u{1f}\"\\\\/\u{7f}\u{80}]{0,4}",
            // Where the orders of UTF-8 and UTF-16 differ.
            "[\u{d7ff}\u{e000}\u{fb33}\u{ffff}\u{10000}\u{1f600}]{0,3}",
        ]
    };
    let leaf = prop_oneof![literal.prop_map(Json::Literal), text().prop_map(Json::Text)];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Json::Array),
            proptest::collection::hash_map(text(), inner, 0..6)
                .prop_map(|fields| Json::Object(fields.into_iter().collect())),
        ]
    })
}

impl Json {
    /// The canonical form, by the plainest way to it.
    fn plainly(&self) -> String {
        match self {
            Json::Literal(literal) => literal.clone(),
            Json::Text(text) => serde_json::to_string(text).unwrap(),
            Json::Array(all) => format!("[{}]", all.iter().map(Json::plainly).collect::<Vec<_>>().join(",")),
            Json::Object(fields) => {
                let mut fields: Vec<_> = fields.iter().collect();
                fields.sort_by_key(|(name, _)| name.encode_utf16().collect::<Vec<_>>());
                let member = |(name, value): &&(String, Json)| {
                    format!("{}:{}", serde_json::to_string(name).unwrap(), value.plainly())
                };
                format!("{{{}}}", fields.iter().map(member).collect::<Vec<_>>().join(","))
            }
        }
    }

    /// The same in any of its many forms.
    fn somehow(&self, chance: &mut fastrand::Rng) -> String {
        let inner = match self {
            Json::Literal(literal) => literal.clone(),
            Json::Text(text) => quoted_somehow(text, chance),
            Json::Array(all) => {
                let all: Vec<String> = all.iter().map(|one| one.somehow(chance)).collect();
                format!("[{}{}]", all.join(","), space(chance))
            }
            Json::Object(fields) => {
                let mut members: Vec<String> = fields
                    .iter()
                    .map(|(name, value)| {
                        let name = quoted_somehow(name, chance);
                        format!("{}{name}{}:{}", space(chance), space(chance), value.somehow(chance))
                    })
                    .collect();
                chance.shuffle(&mut members);
                format!("{{{}{}}}", members.join(","), space(chance))
            }
        };
        format!("{}{inner}{}", space(chance), space(chance))
    }
}

fn space(chance: &mut fastrand::Rng) -> String {
    (0..chance.usize(0..3)).map(|_| chance.choice([' ', '\t', '\n', '\r']).unwrap()).collect()
}

fn quoted_somehow(text: &str, chance: &mut fastrand::Rng) -> String {
    let mut out = String::from("\"");
    for char in text.chars() {
        let short = "\"\\/\u{8}\u{c}\n\r\t".find(char).map(|at| b"\"\\/bfnrt"[at.min(7)]);
        match short {
            Some(_) if char == '/' && chance.bool() => out.push(char),
            Some(short) if chance.bool() => out.extend(['\\', char::from(short)]),
            _ if char < ' ' || matches!(char, '"' | '\\') || chance.u8(0..4) == 0 => {
                for unit in char.encode_utf16(&mut [0; 2]) {
                    let upper = chance.bool();
                    out += &if upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") };
                }
            }
            _ => out.push(char),
        }
    }
    out.push('"');
    out
}

proptest! {
    #[test]
    fn equal_requests_are_equal_bytes(json in json(), seeds: [u64; 3]) {
        let expected = json.plainly();
        for seed in seeds {
            let given = json.somehow(&mut fastrand::Rng::with_seed(seed));
            let canonical = canonical(&given);
            prop_assert_eq!(&canonical, &expected, "{}", given);
            prop_assert!(canonical.len() <= given.len());
            // What no double is, is not a value for serde_json.
            if let Ok(value) = serde_json::from_str::<Value>(&given) {
                prop_assert_eq!(value, serde_json::from_str::<Value>(&canonical).unwrap());
            }
        }
        prop_assert_eq!(canonical(&expected), expected);
    }

    #[test]
    fn texts_are_written_as_they_are_read(text: String) {
        let written = json_string::canonical(&text);
        prop_assert_eq!(&canonical(&written), &written);
        prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
    }
}
