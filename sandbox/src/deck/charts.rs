//! Charts: figures as charts, and the sentences that say what a chart shows.

use super::figures::{Figure, MAX_FIGURES, formatted, in_line};
use super::model::{Chart, Kind, Unit};
use crate::hash;

/// The figures as at most `max` charts. A series with a name and two or more figures has a chart for each
/// unit; the other figures have one chart for each unit. Where that makes too many, the last chart takes all
/// that is left. Without figures there is an illustration, whose title says so.
pub fn of_figures(figures: &[Figure], max: usize, seed: &str) -> Vec<Chart> {
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
    if groups.len() > max {
        // The groups with most figures keep charts of their own.
        let mut sizes: Vec<(usize, usize)> =
            groups.iter().enumerate().map(|(at, group)| (group.len(), at)).collect();
        sizes.sort_by_key(|(size, at)| (std::cmp::Reverse(*size), *at));
        let kept: Vec<usize> = sizes.into_iter().take(max.saturating_sub(1)).map(|(_, at)| at).collect();
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

/// The name and the chart of a line that has nothing but a name and its figures.
pub fn of_line(line: &str) -> Option<(String, Chart)> {
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
    let group = &group[..group.len().min(MAX_FIGURES)];
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
    // A ring can't show negative values.
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

/// The values of a chart as figures.
pub fn figures_of(chart: &Chart) -> impl Iterator<Item = Figure> {
    chart.categories.iter().zip(&chart.values).map(|(label, value)| Figure {
        label: label.clone(),
        value: *value,
        unit: chart.unit.clone(),
        decimals: chart.decimals,
        series: None,
    })
}

/// Whether labels are times of a time line: all of one form, and no two the same.
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

/// A growing line. Its values are random, and the same each time for this prompt.
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

/// A line on each of several charts: its growth if it is a time line, else its highest value.
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

/// What a chart shows, in sentences.
pub fn insights(chart: &Chart, has_figures: bool) -> Vec<String> {
    let shown = |value: f64| formatted(value, &chart.unit, chart.decimals);
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
            lines.push(format!("Highest: {name}, {}", shown(*value)));
            lines.push(format!("Lowest: {low}, {}", shown(*least)));
        }
        (Some((name, value)), _) => lines.push(format!("{name}: {}", shown(*value))),
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
    fn charts_of_any_text_do_not_panic() {
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
            let _ = of_figures(&in_line(line), 2, line);
        }
    }

    #[test]
    fn charts_hold_every_figure_once() {
        let figures = in_line("A 1, B 2, C 3%, D 4 €, E 5 kg");
        let charts = of_figures(&figures, 2, "");
        let values: Vec<f64> = charts.iter().flat_map(|chart| chart.values.clone()).collect();
        assert_eq!(values, [1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(charts[1].categories, ["C (%)", "D (€)", "E (kg)"]);
    }

    #[test]
    fn chart_is_made_for_each_name() {
        let lines = [
            "Market grew 24 %, rivals 61 %",
            "Revenue: Q1 1, Q2 2, Q3 3",
            "Growth: 2021 1, 2022 2",
            "Odd: 7",
        ];
        let figures: Vec<Figure> = lines.iter().flat_map(|line| in_line(line)).collect();
        let titles = |most: usize| -> Vec<String> {
            of_figures(&figures, most, "").into_iter().map(|chart| chart.title).collect()
        };
        assert_eq!(titles(4), ["The figures, in %", "Revenue", "Growth", "The figures"]);
        // Where there are too many, the smallest share a chart.
        assert_eq!(titles(2), ["Revenue", "Other figures"]);
    }

    #[test]
    fn chart_of_quarters_and_years_is_no_time_line() {
        let figures: Vec<Figure> =
            ["Q1 1, Q2 2, Q3 3", "2021 1, 2022 2, 2023 3"].iter().flat_map(|line| in_line(line)).collect();
        let chart = &of_figures(&figures, 1, "")[0];
        assert_eq!((chart.kind, chart.values.len()), (Kind::Column, 6));
        assert!(
            insights(chart, true).iter().all(|line| !line.contains(" to ")),
            "nothing grew from Q1 to 2023"
        );
    }

    #[test]
    fn chart_kind_follows_its_figures() {
        let kind = |line: &str| of_figures(&in_line(line), 1, "")[0].kind;
        assert_eq!(kind("North 40%, South 35%, West 25%"), Kind::Ring);
        assert_eq!(kind("2021: 1, 2022: 2, 2023: 3, 2024: 4, 2025: 5"), Kind::Line);
        assert_eq!(kind("Q1 1, Q2 2"), Kind::Column);
        assert_eq!(kind("Customer satisfaction 4, Employee engagement 3"), Kind::Bar);
        assert_eq!(kind("nothing"), Kind::Column);
    }
}
