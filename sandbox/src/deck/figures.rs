//! The figures in a prompt, as charts.

use super::model::{Chart, Kind, Unit};
use crate::hash;

/// As many as are read at all.
const MAX_IN_A_CHART: usize = super::prompt::MAX_FIGURES;
const MAX_LABEL: usize = 36;

/// One figure: what it is of, and how much.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// What it is of.
    pub label: String,
    /// The number as it stands: "1.2 million" is 1.2.
    pub value: f64,
    /// What it counts.
    pub unit: Unit,
    /// Its digits after the point.
    pub decimals: usize,
    /// What stood before a colon in front of it.
    series: Option<String>,
}

/// What follows a number and belongs to it.
const UNITS: [&str; 30] = [
    "%", "‰", "€", "$", "£", "¥", "k", "K", "m", "M", "bn", "B", "x", "×", "percent", "thousand", "million",
    "billion", "trillion", "days", "hours", "minutes", "seconds", "ms", "MB", "GB", "TB", "kg", "km", "pp",
];
/// What is counted by these is no figure: "Step 2".
const ORDINALS: [&str; 16] = [
    "chapter", "detail", "figure", "item", "level", "no", "no.", "number", "option", "page", "part", "phase",
    "point", "slide", "step", "version",
];
/// Words that join a figure to what it is of.
const JOINTS: [&str; 30] = [
    "a", "an", "and", "are", "about", "at", "by", "for", "from", "have", "has", "in", "is", "of", "on", "or",
    "over", "than", "the", "then", "to", "was", "were", "with", "=", "-", "–", "—", "(", "→",
];

/// All figures of a line of text.
pub fn in_line(line: &str) -> Vec<Figure> {
    let mut found: Vec<Figure> = Vec::new();
    let mut series = None;
    for part in
        super::prompt::split(line, |c| matches!(c, ',' | ';' | '.' | '!' | '?' | '，' | '、' | '；' | '。'))
    {
        let mut rest = part.as_str();
        if let Some((before, after)) = rest.split_once([':', '：'])
            && number_in(before).is_none_or(|number| number.is_year)
            && number_in(after).is_some()
            && !before.ends_with(|c: char| c.is_ascii_digit() && before.len() < 3)
        {
            let words = trimmed(before);
            if number_in(after).is_some_and(|number| !number.is_year && trimmed(number.before).is_empty()) {
                // "2024: 15" is of 2024.
                rest = after;
                push_all(&mut found, rest, Some(&words), series.as_deref());
                continue;
            }
            series = Some(words);
            rest = after;
        }
        push_all(&mut found, rest, None, series.as_deref());
    }
    found
}

/// The figures of a text without colons or sentences; `label` is what the first is of.
fn push_all(found: &mut Vec<Figure>, text: &str, label: Option<&str>, series: Option<&str>) {
    let mut rest = text;
    let mut label = label.map(str::to_owned);
    let mut skipped = String::new();
    while let Some(number) = number_in(rest) {
        if number.is_year {
            // A year is what a figure is of.
            skipped = format!("{skipped}{}{} ", number.before, number.text);
            rest = number.after;
            continue;
        }
        let before = trimmed(&format!("{skipped}{}", number.before));
        skipped.clear();
        rest = number.after;
        let next = number_in(rest).filter(|next| !next.is_year);
        let after = next.as_ref().map_or(rest, |next| next.before);
        let label = label.take().unwrap_or(if before.is_empty() { trimmed(after) } else { before });
        found.push(Figure {
            label: super::prompt::cut(&label, MAX_LABEL),
            value: number.value,
            unit: number.unit,
            decimals: number.decimals,
            series: series.map(str::to_owned),
        });
    }
}

/// A number in a text, and what is around it.
struct Number<'a> {
    before: &'a str,
    text: &'a str,
    after: &'a str,
    value: f64,
    unit: Unit,
    decimals: usize,
    is_year: bool,
}

/// The first number that stands alone: not "Q3", "v2.0", "10:30" or a date.
fn number_in(text: &str) -> Option<Number<'_>> {
    let mut from = 0;
    while let Some(at) = text[from..].find(|c: char| c.is_ascii_digit()).map(|at| from + at) {
        let end = text[at..]
            .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ',')))
            .map_or(text.len(), |length| at + length);
        let end = at + text[at..end].trim_end_matches(['.', ',']).len();
        from = end;
        let mut start = at;
        let mut sign = 1.0;
        let mut prefix = String::new();
        let before = text[..start].chars().next_back();
        if let Some(currency) = before.filter(|c| matches!(c, '$' | '€' | '£' | '¥')) {
            prefix = currency.to_string();
            start -= currency.len_utf8();
        }
        let mut before = text[..start].chars();
        if let Some(minus) = before.next_back().filter(|c| matches!(c, '-' | '−' | '+')) {
            let alone = before.next_back().is_none_or(char::is_whitespace);
            if alone {
                start -= minus.len_utf8();
                sign = if minus == '+' { 1.0 } else { -1.0 };
            }
        }
        let joined = |c: char| c.is_alphanumeric() || matches!(c, '_' | '#' | '.' | '-' | '/' | ':' | '@');
        if text[..start].ends_with(joined) && !text[..start].ends_with(": ") {
            continue;
        }
        let word = text[..start].split_whitespace().next_back().unwrap_or_default().to_lowercase();
        if ORDINALS.contains(&word.as_str()) && !text[at..end].contains(['.', ',']) {
            continue;
        }
        let Some((value, decimals)) = read(&text[at..end]) else { continue };
        let mut rest = &text[end..];
        let mut suffix = String::new();
        let word_at = rest.trim_start_matches([' ', '\u{a0}', '\u{202f}']);
        if let Some(unit) =
            UNITS.iter().filter(|unit| word_at.starts_with(**unit)).max_by_key(|unit| unit.len())
        {
            let beyond = &word_at[unit.len()..];
            let is_word = unit.ends_with(char::is_alphanumeric);
            if !(is_word && beyond.starts_with(char::is_alphanumeric)) {
                let spaced = word_at.len() < rest.len();
                suffix = if spaced && *unit != "%" { format!(" {unit}") } else { (*unit).to_owned() };
                rest = beyond;
            }
        }
        if suffix.is_empty() {
            let mut next = rest.chars();
            match (next.next(), next.next()) {
                (Some(c), _) if c.is_alphanumeric() || c == '_' => continue,
                (Some(':' | '/' | '-' | '–'), Some(c)) if c.is_ascii_digit() => {
                    // A time, a date or a range: passed over whole.
                    from = end
                        + rest
                            .find(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '/' | '-' | '–' | '.')))
                            .unwrap_or(rest.len());
                    continue;
                }
                _ => {}
            }
        }
        let bare = prefix.is_empty() && suffix.is_empty() && decimals == 0;
        return Some(Number {
            before: &text[..start],
            text: &text[start..end],
            after: rest,
            value: sign * value,
            unit: Unit { prefix, suffix },
            decimals,
            is_year: bare && end - at == 4 && (1900.0..=2100.0).contains(&value),
        });
    }
    None
}

/// A number and its digits after the point: "1,200.75", "1.200,75", "12,5".
fn read(text: &str) -> Option<(f64, usize)> {
    let separators: Vec<(usize, u8)> =
        text.bytes().enumerate().filter(|(_, byte)| !byte.is_ascii_digit()).collect();
    let grouped = |mark: u8| {
        let parts: Vec<&str> = text.split(char::from(mark)).collect();
        parts[0].len() <= 3 && parts[1..].iter().all(|part| part.len() == 3)
    };
    let point = match separators.as_slice() {
        [] => None,
        [(_, b',')] if grouped(b',') => None,
        [(at, _)] => Some(*at),
        [.., (at, last)] => {
            let others_same =
                separators[..separators.len() - 1].iter().all(|(_, mark)| mark == &separators[0].1);
            if separators[0].1 != *last && others_same {
                Some(*at)
            } else if others_same && grouped(*last) {
                None
            } else {
                return None;
            }
        }
    };
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let (whole, fraction) = match point {
        Some(at) => (digits(&text[..at]), digits(&text[at + 1..])),
        None => (digits(text), String::new()),
    };
    let value: f64 = format!("{whole}.{fraction}0").parse().ok()?;
    (whole.len() <= 15).then_some((value, fraction.len().min(4)))
}

/// Words without what only joins them to a figure.
fn trimmed(text: &str) -> String {
    let marks = |c: char| {
        c.is_whitespace() || matches!(c, ':' | '：' | '(' | ')' | ',' | '"' | '\'' | '*' | '|' | '=')
    };
    let mut text = text.trim_matches(marks);
    loop {
        let before = text;
        let is_joint = |word: &str| JOINTS.contains(&word.to_lowercase().as_str());
        if let Some(word) = text.split_whitespace().next_back().filter(|word| is_joint(word)) {
            text = text[..text.len() - word.len()].trim_matches(marks);
        }
        if let Some(word) = text.split_whitespace().next().filter(|word| is_joint(word)) {
            text = text[word.len()..].trim_matches(marks);
        }
        if text == before {
            return text.split_whitespace().collect::<Vec<_>>().join(" ");
        }
    }
}

/// The figures as charts, at most so many: one for each unit of what has a name and two figures or more, one
/// for each unit of the others. Where that is too many, the last takes what is left. Without figures an
/// illustration that says that it is one.
pub fn charts(figures: &[Figure], most: usize, seed: &str) -> Vec<Chart> {
    let is_named = |one: &Figure| {
        let same = |other: &&Figure| other.series == one.series && other.unit == one.unit;
        one.series.is_some() && figures.iter().filter(same).count() > 1
    };
    let mut groups: Vec<(bool, Vec<&Figure>)> = Vec::new();
    for figure in figures {
        let named = is_named(figure);
        let same = groups.iter_mut().find(|(other, group)| {
            *other == named && group[0].unit == figure.unit && (!named || group[0].series == figure.series)
        });
        match same {
            Some((_, group)) => group.push(figure),
            None => groups.push((named, vec![figure])),
        }
    }
    let mut groups: Vec<Vec<&Figure>> = groups.into_iter().map(|(_, group)| group).collect();
    if groups.len() > most {
        // Those with most figures have charts of their own.
        let mut sizes: Vec<(usize, usize)> =
            groups.iter().enumerate().map(|(at, group)| (group.len(), at)).collect();
        sizes.sort_by_key(|(size, at)| (std::cmp::Reverse(*size), *at));
        let kept: Vec<usize> = sizes.into_iter().take(most.saturating_sub(1)).map(|(_, at)| at).collect();
        let (mut own, mut rest) = (Vec::new(), Vec::new());
        for (at, group) in groups.into_iter().enumerate() {
            if kept.contains(&at) { own.push(group) } else { rest.extend(group) }
        }
        own.push(rest);
        groups = own;
    }
    if groups.is_empty() {
        return vec![illustration(seed)];
    }
    groups.iter().map(|group| chart(group)).collect()
}

/// The figures of a line that is nothing but a name and its figures, as their chart, and the name.
pub fn charted(line: &str) -> Option<(String, Chart)> {
    let figures = in_line(line);
    let name = figures.first()?.series.clone()?;
    let is_one = |figure: &Figure| figure.series.as_ref() == Some(&name) && figure.unit == figures[0].unit;
    let starts = line.trim_start().starts_with(&name);
    (figures.len() > 1 && starts && figures.iter().all(is_one)).then(|| {
        let all: Vec<&Figure> = figures.iter().collect();
        (name, chart(&all))
    })
}

fn chart(group: &[&Figure]) -> Chart {
    let group = &group[..group.len().min(MAX_IN_A_CHART)];
    let unit = &group[0].unit;
    let mixed = group.iter().any(|figure| figure.unit != *unit);
    let label = |at: usize, figure: &Figure| {
        let name = if figure.label.is_empty() { format!("Figure {}", at + 1) } else { figure.label.clone() };
        let Unit { prefix, suffix } = &figure.unit;
        if mixed && !(prefix.is_empty() && suffix.is_empty()) {
            format!("{name} ({}{})", prefix, suffix.trim())
        } else {
            name
        }
    };
    let categories: Vec<String> = group.iter().enumerate().map(|(at, figure)| label(at, figure)).collect();
    let values: Vec<f64> = group.iter().map(|figure| figure.value).collect();
    let series = group[0]
        .series
        .clone()
        .filter(|name| group.iter().all(|figure| figure.series.as_ref() == Some(name)));
    let in_unit = match (mixed, unit.prefix.as_str(), unit.suffix.trim()) {
        (false, "", "") | (true, _, _) => String::new(),
        (false, prefix, suffix) => format!(", in {prefix}{suffix}"),
    };
    let total: f64 = values.iter().sum();
    let in_time = in_time(&categories);
    let kind =
        if unit.suffix == "%" && (99.0..=101.0).contains(&total) && (2..=6).contains(&values.len()) && !mixed
        {
            Kind::Ring
        } else if in_time && values.len() >= 5 {
            Kind::Line
        } else if !in_time && categories.iter().map(|name| name.chars().count()).max() > Some(14) {
            Kind::Bar
        } else {
            Kind::Column
        };
    // A ring has no room for what is below nothing.
    let kind = if kind == Kind::Ring && values.iter().any(|value| *value < 0.0) { Kind::Bar } else { kind };
    Chart {
        title: format!(
            "{}{in_unit}",
            series.unwrap_or_else(|| if mixed { "Other figures".into() } else { "The figures".into() })
        ),
        kind,
        categories,
        values,
        unit: if mixed { Unit::default() } else { unit.clone() },
        decimals: group.iter().map(|figure| figure.decimals).max().unwrap_or(0),
        size: 1200,
    }
}

/// What a chart shows, as figures.
pub fn of_chart(chart: &Chart) -> impl Iterator<Item = Figure> {
    chart.categories.iter().zip(&chart.values).map(|(label, value)| Figure {
        label: label.clone(),
        value: *value,
        unit: chart.unit.clone(),
        decimals: chart.decimals,
        series: None,
    })
}

/// Whether labels are times that follow each other: each there once, and all of one form.
fn in_time(labels: &[String]) -> bool {
    let is_number = |label: &String| label.starts_with(|c: char| c.is_ascii_digit());
    labels.iter().enumerate().all(|(at, label)| {
        is_time(label) && is_number(label) == is_number(&labels[0]) && !labels[..at].contains(label)
    })
}

/// Whether a label is a year, a quarter or a month.
fn is_time(label: &str) -> bool {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let label = label.to_lowercase();
    let is_year =
        |text: &str| text.len() == 4 && text.parse().is_ok_and(|year: u32| (1900..=2100).contains(&year));
    let is_part = |text: &str| {
        let mut rest = text.chars();
        matches!(rest.next(), Some('q' | 'h' | 'w'))
            && rest.clone().next().is_some()
            && rest.all(|c| c.is_ascii_digit())
    };
    let is_month = |text: &str| text.is_ascii() && text.len() >= 3 && MONTHS.contains(&&text[..3]);
    let mut words = label.split_whitespace().peekable();
    words.peek().is_some()
        && words.all(|word| is_year(word) || is_part(word) || is_month(word) || word == "year")
}

/// A growing line out of chance that is the prompt's own.
fn illustration(seed: &str) -> Chart {
    let mut value = 100.0;
    let values = (0..5_u64)
        .map(|at| {
            let chance = hash::number(&[b"illustration", seed.as_bytes(), &at.to_le_bytes()]) % 30;
            let now = value;
            value = (value * (1.04 + chance as f64 / 100.0)).round();
            now
        })
        .collect();
    Chart {
        title: "Illustration: an index, Year 1 = 100".into(),
        kind: Kind::Column,
        categories: (1..=5).map(|year| format!("Year {year}")).collect(),
        values,
        unit: Unit::default(),
        decimals: 0,
        size: 1200,
    }
}

/// A value as it is written on a slide.
pub fn shown(value: f64, unit: &Unit, decimals: usize) -> String {
    let mut text = format!("{:.decimals$}", value.abs());
    if unit.prefix.is_empty() && unit.suffix.is_empty() && text.contains('.') {
        text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let point = if fraction.is_empty() { "" } else { "." };
    let sign = if value < 0.0 { "−" } else { "" };
    format!("{sign}{}{grouped}{point}{fraction}{}", unit.prefix, unit.suffix)
}

/// What each of several charts says, by its name, in a line: how it went where it is of times, else what is
/// highest.
pub fn remarks(charts: &[Chart], has_figures: bool) -> Vec<String> {
    if let [chart] = charts {
        return insights(chart, has_figures);
    }
    let remark = |chart: &Chart| {
        let said = insights(chart, has_figures);
        let first =
            said.iter().find(|line| in_time(&chart.categories) && line.ends_with(" %")).or(said.first())?;
        Some(format!("{}: {first}", chart.title))
    };
    charts.iter().filter_map(remark).collect()
}

/// What a chart says, in sentences.
pub fn insights(chart: &Chart, has_figures: bool) -> Vec<String> {
    let told = |value: f64| shown(value, &chart.unit, chart.decimals);
    if !has_figures {
        return vec![
            "An illustration: the prompt names no figures".into(),
            "Figures in the prompt are drawn here".into(),
        ];
    }
    let pairs = || chart.categories.iter().zip(&chart.values);
    let mut lines = Vec::new();
    let highest = pairs().max_by(|one, other| one.1.total_cmp(other.1));
    let lowest = pairs().min_by(|one, other| one.1.total_cmp(other.1));
    match (highest, lowest) {
        (Some((name, value)), Some((low, least))) if value > least => {
            lines.push(format!("Highest: {name}, {}", told(*value)));
            lines.push(format!("Lowest: {low}, {}", told(*least)));
        }
        (Some((name, value)), _) => lines.push(format!("{name}: {}", told(*value))),
        _ => {}
    }
    if let ([first, .., last], [from, .., to]) = (chart.values.as_slice(), chart.categories.as_slice())
        && *first > 0.0
        && *last >= 0.0
        && in_time(&chart.categories)
    {
        lines.push(format!("{from} to {to}: {:+.0} %", (last / first - 1.0) * 100.0));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_with_what_they_are_of() {
        for (line, expected) in [
            ("Revenue: Q1 120, Q2 150, Q3 180", &[("Q1", "120"), ("Q2", "150"), ("Q3", "180")][..]),
            ("2023: 12.5 M, 2024: 15 M", &[("2023", "12.5 M"), ("2024", "15 M")]),
            ("Sales grew 12.5% to €1,200.75 million", &[("Sales grew", "12.5%"), ("", "€1,200.75 million")]),
            ("Churn -5 %; margin +3.2 %", &[("Churn", "−5%"), ("margin", "3.2%")]),
            ("Revenue grew from 12 to 18 in 2025", &[("Revenue grew", "12"), ("2025", "18")]),
            ("1,200 users, 3 teams", &[("users", "1,200"), ("teams", "3")]),
            ("Kosten 12,5 %, Umsatz 1.234.567,5 €", &[("Kosten", "12.5%"), ("Umsatz", "1,234,567.5 €")]),
            ("North 40%, South 35%, West 25%", &[("North", "40%"), ("South", "35%"), ("West", "25%")]),
            ("In 2024 we had 40 people", &[("2024 we had", "40")]),
            ("Defects by half: 2021 84, 2022 70", &[("2021", "84"), ("2022", "70")]),
        ] {
            let found = in_line(line).into_iter();
            let found: Vec<(String, String)> = found
                .map(|figure| (figure.label, shown(figure.value, &figure.unit, figure.decimals)))
                .collect();
            let expected: Vec<(String, String)> =
                expected.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect();
            assert_eq!(found, expected, "{line}");
        }
    }

    #[test]
    fn what_only_looks_like_a_figure_is_none() {
        for line in [
            "Q3 and v2.0",
            "at 10:30",
            "2026-11-24",
            "3D and 5G",
            "1.2.3",
            "#1",
            "in 2025",
            "",
            "a-4",
            "3–5",
            "Step 2 of it",
        ] {
            assert_eq!(in_line(line), [], "{line}");
        }
    }

    #[test]
    fn any_text_is_read_without_a_panic() {
        for line in [
            "٣ 1",
            "1€",
            "€",
            "-",
            "−1",
            "1,",
            ".5",
            "1.",
            "99999999999999999999 x",
            "1 🚀2",
            "\u{a0}1\u{a0}%",
            "1:2:3",
        ] {
            let _ = charts(&in_line(line), 2, line);
        }
    }

    #[test]
    fn charts_hold_every_figure_once() {
        let figures = in_line("A 1, B 2, C 3%, D 4 €, E 5 kg");
        let charts = charts(&figures, 2, "");
        let values: Vec<f64> = charts.iter().flat_map(|chart| chart.values.clone()).collect();
        assert_eq!(values, [1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(charts[1].categories, ["C (%)", "D (€)", "E (kg)"]);
    }

    #[test]
    fn what_has_a_name_has_a_chart_of_its_own() {
        let lines = [
            "Market grew 24 %, rivals 61 %",
            "Revenue: Q1 1, Q2 2, Q3 3",
            "Growth: 2021 1, 2022 2",
            "Odd: 7",
        ];
        let figures: Vec<Figure> = lines.iter().flat_map(|line| in_line(line)).collect();
        let titles = |most: usize| -> Vec<String> {
            charts(&figures, most, "").into_iter().map(|chart| chart.title).collect()
        };
        assert_eq!(titles(4), ["The figures, in %", "Revenue", "Growth", "The figures"]);
        // Beyond what there is room for, the smallest go together.
        assert_eq!(titles(2), ["Revenue", "Other figures"]);
    }

    #[test]
    fn quarters_and_years_are_no_line_of_time() {
        let figures: Vec<Figure> =
            ["Q1 1, Q2 2, Q3 3", "2021 1, 2022 2, 2023 3"].iter().flat_map(|line| in_line(line)).collect();
        let chart = &charts(&figures, 1, "")[0];
        assert_eq!((chart.kind, chart.values.len()), (Kind::Column, 6));
        assert!(
            insights(chart, true).iter().all(|line| !line.contains(" to ")),
            "nothing grew from Q1 to 2023"
        );
    }

    #[test]
    fn the_kind_follows_the_figures() {
        let kind = |line: &str| charts(&in_line(line), 1, "")[0].kind;
        assert_eq!(kind("North 40%, South 35%, West 25%"), Kind::Ring);
        assert_eq!(kind("2021: 1, 2022: 2, 2023: 3, 2024: 4, 2025: 5"), Kind::Line);
        assert_eq!(kind("Q1 1, Q2 2"), Kind::Column);
        assert_eq!(kind("Customer satisfaction 4, Employee engagement 3"), Kind::Bar);
        assert_eq!(kind("nothing"), Kind::Column);
    }
}
