//! A reader of Rust sources, as far as the style test needs one: imports, functions and tests.

use std::collections::BTreeSet;

/// A source in which comments, strings and characters are blank. Lines stay where they are.
pub fn blanked(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = text.as_bytes().to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = at + skipped(&text[at..]);
        for byte in out[at..end].iter_mut().filter(|byte| **byte != b'\n') {
            *byte = b' ';
        }
        at = end.max(at + 1);
        while !text.is_char_boundary(at) {
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The length of the comment, string or character that begins here; 0 if there is none.
fn skipped(text: &str) -> usize {
    let until =
        |from: usize, end: &str| text[from..].find(end).map_or(text.len(), |at| from + at + end.len());
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return until(2, "*/");
    }
    if let Some(raw) = text.strip_prefix('r') {
        let marks = raw.len() - raw.trim_start_matches('#').len();
        if raw[marks..].starts_with('"') {
            return until(marks + 2, &format!("\"{}", "#".repeat(marks)));
        }
        // A word that begins with r has no string in it.
        return 0;
    }
    if text.starts_with('"') {
        return closed(text, '"');
    }
    // A character, not a lifetime: it closes at once, or after an escape.
    let is_character = text.starts_with("'\\") || text.chars().nth(2) == Some('\'');
    if text.starts_with('\'') && is_character { closed(text, '\'') } else { 0 }
}

/// The length of a literal with escapes, with its marks.
fn closed(text: &str, mark: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == mark => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The words and marks of a source.
fn tokens(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let end = if is_word(first) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        if !first.is_whitespace() {
            found.push(&rest[..end]);
        }
        rest = &rest[end..];
    }
    found
}

/// The modules that a module imports, without what only its unit tests import. `is_module` knows the modules
/// of the crate. An item of a module counts as that module.
pub fn imports(module: &str, text: &str, is_module: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let code = blanked(text);
    let code = code.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let tokens = tokens(code);
    let parts: Vec<&str> =
        if matches!(module, "lib" | "main") { Vec::new() } else { module.split("::").collect() };
    let mut found = BTreeSet::new();
    for at in 0..tokens.len() {
        let is_begin = at == 0 || tokens[at - 1] != "::";
        if !is_begin || tokens.get(at + 1) != Some(&"::") {
            continue;
        }
        let child = [&parts[..], &[tokens[at]]].concat();
        let base = match tokens[at] {
            "crate" => Vec::new(),
            "super" => parts[..parts.len().saturating_sub(1)].to_vec(),
            "self" => parts.clone(),
            "perceptis_sandbox" => vec!["lib"],
            _ if is_module(&child.join("::")) => child,
            _ => continue,
        };
        let mut at = at + 2;
        collect(&tokens, &mut at, &base, &mut |path| found.insert(module_of(path, &is_module)));
    }
    found.remove(module);
    found
}

/// Reads a path, or a tree of paths in braces, from this token on.
fn collect<'a>(tokens: &[&'a str], at: &mut usize, base: &[&'a str], add: &mut dyn FnMut(&[&str]) -> bool) {
    let mut path = base.to_vec();
    loop {
        match tokens.get(*at) {
            Some(&"{") => {
                *at += 1;
                while tokens.get(*at).is_some_and(|token| *token != "}") {
                    collect(tokens, at, &path, add);
                    while tokens.get(*at).is_some_and(|token| !matches!(*token, "," | "}")) {
                        *at += 1;
                    }
                    if tokens.get(*at) == Some(&",") {
                        *at += 1;
                    }
                }
                *at += 1;
                return;
            }
            Some(&"super") => {
                path.pop();
            }
            Some(&"self") => {}
            Some(word) => path.push(word),
            None => return,
        }
        *at += 1;
        if tokens.get(*at) != Some(&"::") {
            add(&path);
            return;
        }
        *at += 1;
    }
}

/// The module that a path leads to: its longest beginning that is a module.
fn module_of(path: &[&str], is_module: impl Fn(&str) -> bool) -> String {
    let found = (1..=path.len()).rev().map(|end| path[..end].join("::")).find(|module| is_module(module));
    found.unwrap_or_else(|| "lib".to_owned())
}

/// The longest function, with its number of lines, from its `fn` to its closing brace.
pub fn longest_function(text: &str) -> (String, usize) {
    let code = blanked(text);
    let mut longest = (String::new(), 0);
    for (at, _) in code.match_indices("fn ") {
        let is_word = code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let Some(open) = code[at..].find(['{', ';']).map(|open| at + open).filter(|_| !is_word) else {
            continue;
        };
        let mut depth = 0;
        let end = code[open..].char_indices().find_map(|(end, c)| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            (depth == 0).then_some(open + end)
        });
        let lines = 1 + code[at..end.unwrap_or(code.len())].matches('\n').count();
        if lines > longest.1 {
            let name = code[at + 3..].split(|c: char| !(c.is_alphanumeric() || c == '_')).next();
            longest = (name.unwrap_or_default().to_owned(), lines);
        }
    }
    longest
}

/// The names of the tests.
pub fn test_names(text: &str) -> Vec<String> {
    let code = blanked(text);
    let after = code.split("#[test]").skip(1).filter_map(|rest| rest.split("fn ").nth(1));
    after.map(|rest| rest.split('(').next().unwrap_or_default().to_owned()).collect()
}
