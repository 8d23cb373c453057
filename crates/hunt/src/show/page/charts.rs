//! Bars and a line of time, as SVG.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::html;
use crate::hunts::Hunt;
use crate::show::cells::Shown;

/// So many bars, and so many lines, a person can take in.
const MOST: usize = 20;
const WIDTH: i64 = 900;
const ROW: i64 = 24;
/// Where the words end and the bars begin.
const BEGIN: i64 = 260;

pub(super) fn charts(hunt: &Hunt, names: &[&str], rows: &[Vec<Shown>]) -> Vec<String> {
    let column = |name: &str| names.iter().position(|known| *known == name);
    let bars =
        hunt.bars.as_ref().and_then(|(words, number)| bars(rows, column(words)?, column(number)?, [words, number]));
    let timeline = hunt.timeline.as_ref().and_then(|(from, to)| timeline(names, rows, column(from)?, column(to)?));
    bars.into_iter().chain(timeline).collect()
}

/// A text that fits before a bar.
fn short(text: &str) -> String {
    const LONGEST: usize = 30;
    if text.chars().count() <= LONGEST {
        return html(text);
    }
    let beginning: String = text.chars().take(LONGEST - 1).collect();
    html(&format!("{beginning}…"))
}

fn open(svg: &mut String, title: &str, description: &str, rows: i64) {
    let height = rows * ROW + 10;
    // Writing to a String does not fail.
    let _ = write!(
        svg,
        "<h2>{}</h2>\n<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\"><title>{}</title><desc>{}</desc>\n",
        html(title),
        html(title),
        html(description)
    );
}

fn bars(rows: &[Vec<Shown>], words: usize, number: usize, names: [&String; 2]) -> Option<String> {
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    for row in rows {
        if let (Some(word), Some(Shown::Number(count))) = (row.get(words), row.get(number)) {
            let sum = sums.entry(word.text()).or_default();
            *sum = sum.saturating_add(*count);
        }
    }
    let mut sums: Vec<(String, i64)> = sums.into_iter().collect();
    sums.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    let most = sums.first()?.1.max(1);
    let more = sums.len().saturating_sub(MOST);
    sums.truncate(MOST);
    let [word, count] = names.map(|name| name.replace('_', " "));
    let mut title = format!("{count} by {word}");
    if more > 0 {
        let _ = write!(title, " (the first {MOST}; {more} more in the rows)");
    }
    let told: Vec<String> = sums.iter().map(|(word, sum)| format!("{word}: {sum}")).collect();
    let mut svg = String::new();
    open(&mut svg, &title, &told.join("; "), i64::try_from(sums.len()).ok()?);
    for ((word, sum), n) in sums.iter().zip(0_i64..) {
        let (y, room) = (n * ROW, WIDTH - BEGIN - 90);
        let length = i128::from(*sum) * i128::from(room) / i128::from(most);
        let length = i64::try_from(length).unwrap_or_default().max(1);
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text><rect x=\"{BEGIN}\" y=\"{}\" width=\"{length}\" height=\"16\" rx=\"2\"/><text class=\"soft\" x=\"{}\" y=\"{}\">{sum}</text>",
            BEGIN - 10,
            y + 17,
            short(word),
            y + 4,
            BEGIN + length + 8,
            y + 17
        );
    }
    svg.push_str("</svg>\n");
    Some(svg)
}

/// One line for each row, from its first time to its last. A row without a last time goes on to the edge.
fn timeline(names: &[&str], rows: &[Vec<Shown>], from: usize, to: usize) -> Option<String> {
    let at = |row: &Vec<Shown>, column: usize| match row.get(column) {
        Some(Shown::Time(ms)) => Some(*ms),
        _ => None,
    };
    let spans: Vec<(&Vec<Shown>, i64, Option<i64>)> =
        rows.iter().filter_map(|row| Some((row, at(row, from)?, at(row, to)))).collect();
    let first = spans.iter().map(|(_, from, _)| *from).min()?;
    let last = spans.iter().map(|(_, from, to)| to.unwrap_or(*from).max(*from)).max()?;
    let length = (last - first).max(1);
    let shown = spans.iter().take(MOST);
    let mut title = format!("From {} to {}", Shown::Time(first).text(), Shown::Time(last).text());
    if spans.len() > MOST {
        let _ = write!(title, " (the first {MOST} of {} rows)", spans.len());
    }
    // What tells the rows apart: the most telling columns that there are.
    let telling: Vec<usize> = ["src_addr", "rule_id", "interface_id", "group_id", "status"]
        .iter()
        .filter_map(|name| names.iter().position(|known| known == name))
        .take(2)
        .collect();
    let mut svg = String::new();
    open(&mut svg, &title, "One line for each row, in the order of the rows.", i64::try_from(shown.len()).ok()?);
    let place = |ms: i64| {
        let room = i128::from(WIDTH - BEGIN - 10);
        BEGIN + i64::try_from(i128::from(ms - first) * room / i128::from(length)).unwrap_or_default()
    };
    for ((row, from, to), n) in shown.zip(0_i64..) {
        let words: Vec<String> = telling.iter().filter_map(|n| row.get(*n)).map(Shown::text).collect();
        let (begin, end) = (place(*from), to.map_or(WIDTH - 10, |to| place(to.max(*from))));
        let y = n * ROW;
        let told = format!(
            "{}: {} to {}",
            words.join(" "),
            Shown::Time(*from).text(),
            to.map_or_else(|| "no end".to_owned(), |to| Shown::Time(to).text())
        );
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text><line x1=\"{BEGIN}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/><rect x=\"{begin}\" y=\"{}\" width=\"{}\" height=\"12\" rx=\"2\"><title>{}</title></rect>",
            BEGIN - 10,
            y + 17,
            short(&words.join(" ")),
            y + 12,
            WIDTH - 10,
            y + 12,
            y + 6,
            (end - begin).max(3),
            html(&told)
        );
    }
    svg.push_str("</svg>\n");
    Some(svg)
}
