//! The report as one file of HTML: it needs no network, runs no script, and shows whatever a caller wrote as text.

use std::fmt::{self, Write};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use portcullis_domain::text::html as escaped;
use sha2::{Digest, Sha256};

use super::text::span;
use super::{Line, Report, Told, open_for};

/// This many acts are listed. JSON has them all.
const MOST_ACTS: usize = 500;

const STYLE: &str = include_str!("style.css");

/// The report as a page.
#[must_use]
pub fn html(report: &Report) -> String {
    let mut page = String::new();
    // A text takes everything.
    let _ = write_page(report, &mut page);
    page
}

/// Nothing is loaded and no script runs. The style is the one with this hash.
fn content_security_policy() -> String {
    let hash = BASE64_STANDARD.encode(Sha256::digest(STYLE));
    format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'")
}

fn write_page(report: &Report, out: &mut String) -> fmt::Result {
    let policy = content_security_policy();
    let span = escaped(&span(report));
    writeln!(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">")?;
    writeln!(out, "<meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">")?;
    writeln!(out, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")?;
    writeln!(
        out,
        "<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">"
    )?;
    writeln!(out, "<title>Portcullis: what was closed</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>")?;
    writeln!(out, "<h1>What Portcullis closed, or would have closed</h1>\n<p class=\"span\">{span}</p>")?;
    tiles(report, out)?;
    writeln!(out, "<section>\n<h2>What it means</h2>\n<ul>")?;
    for line in report.decision() {
        writeln!(out, "<li>{}</li>", escaped(&line))?;
    }
    writeln!(out, "</ul>\n</section>")?;
    for (title, lines) in [("By caller", &report.actors), ("By group", &report.groups), ("By port", &report.ports)] {
        lines_of(title, lines, out)?;
    }
    acts(&report.acts, out)?;
    writeln!(out, "<footer>Made by portcullis {} from evidence alone.</footer>", env!("CARGO_PKG_VERSION"))?;
    writeln!(out, "</main>\n</body>\n</html>")
}

fn tiles(report: &Report, out: &mut String) -> fmt::Result {
    let Line { reverted, would_revert, failed, undone, rules, .. } = report.total;
    writeln!(out, "<dl class=\"tiles\">")?;
    for (name, number, class) in [
        ("closed", reverted, "good"),
        ("would have been closed", would_revert, "warn"),
        ("failed", failed, if failed > 0 { "bad" } else { "" }),
        ("undone", undone, ""),
        ("rules", rules, ""),
    ] {
        writeln!(out, "<div class=\"{class}\"><dd>{number}</dd><dt>{name}</dt></div>")?;
    }
    let times = [
        ("half were open for no longer", report.total.median_open_seconds),
        ("the longest was open", report.total.longest_open_seconds),
    ];
    for (name, seconds) in times.into_iter().filter(|(_, seconds)| seconds.is_some()) {
        writeln!(out, "<div><dd>{}</dd><dt>{name}</dt></div>", open_for(seconds))?;
    }
    writeln!(out, "</dl>")
}

fn lines_of(title: &str, lines: &[Line], out: &mut String) -> fmt::Result {
    if lines.is_empty() {
        return Ok(());
    }
    let most = lines.iter().map(|line| line.acts).max().unwrap_or(1).max(1);
    writeln!(
        out,
        "<section>\n<h2>{title}</h2>\n<table>\n<thead><tr><th scope=\"col\">{}</th>",
        title.trim_start_matches("By ")
    )?;
    writeln!(
        out,
        "<th scope=\"col\">acts</th><th scope=\"col\" class=\"n\">closed</th><th scope=\"col\" class=\"n\">would close</th>"
    )?;
    writeln!(
        out,
        "<th scope=\"col\" class=\"n\">failed</th><th scope=\"col\" class=\"n\">undone</th><th scope=\"col\" class=\"n\">rules</th>"
    )?;
    writeln!(out, "<th scope=\"col\" class=\"n\">longest open</th></tr></thead>\n<tbody>")?;
    for line in lines {
        let Line { name, acts, reverted, would_revert, failed, undone, rules, .. } = line;
        let width = (acts * 100).div_ceil(most);
        let longest = line.longest_open_seconds.map_or_else(String::new, |it| open_for(Some(it)));
        let bar = format!(
            "<svg width=\"100\" height=\"10\" role=\"img\" aria-label=\"{acts}\"><rect width=\"{width}\" height=\"10\"/></svg>"
        );
        writeln!(out, "<tr><th scope=\"row\">{}</th><td class=\"bar\">{bar} {acts}</td>", escaped(name))?;
        for number in [reverted, would_revert, failed, undone, rules] {
            writeln!(out, "<td class=\"n\">{number}</td>")?;
        }
        writeln!(out, "<td class=\"n\">{longest}</td></tr>")?;
    }
    writeln!(out, "</tbody>\n</table>\n</section>")
}

fn acts(acts: &[Told], out: &mut String) -> fmt::Result {
    if acts.is_empty() {
        return Ok(());
    }
    let left_out = acts.len().saturating_sub(MOST_ACTS);
    writeln!(out, "<section>\n<h2>Every act</h2>")?;
    if left_out > 0 {
        writeln!(out, "<p>The latest {MOST_ACTS}; {left_out} older ones are in the evidence.</p>")?;
    }
    writeln!(out, "<table class=\"acts\">\n<thead><tr><th scope=\"col\">when</th><th scope=\"col\">where</th>")?;
    writeln!(
        out,
        "<th scope=\"col\">what was open</th><th scope=\"col\">who</th><th scope=\"col\">what became of it</th></tr></thead>\n<tbody>"
    )?;
    for act in acts.iter().skip(left_out) {
        let row = &act.row;
        let time =
            row.time.map_or_else(|| "not known".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string());
        let place = format!("{}<br>{} {}", escaped(&row.group), escaped(&row.account), escaped(&row.region));
        let open = format!("{}<br>from {}", escaped(&row.ports.join(", ")), escaped(&row.sources.join(", ")));
        let agent = act
            .user_agent
            .as_deref()
            .map_or_else(String::new, |agent| format!("<br><small>{}</small>", escaped(&cut(agent))));
        let undone = if act.is_undone { ", undone" } else { "" };
        let outcome = row.outcome.as_str().replace('_', " ");
        let time_open = row.open_seconds.map_or_else(String::new, |it| format!(", open for {}", open_for(Some(it))));
        writeln!(out, "<tr><td>{time}</td><td>{place}</td><td>{open}</td><td>{}{agent}</td>", escaped(&row.actor()))?;
        writeln!(out, "<td>{outcome}{undone}{time_open}<br><small>{}</small></td></tr>", escaped(row.act.as_str()))?;
    }
    writeln!(out, "</tbody>\n</table>\n</section>")
}

/// A user agent may be as long as its caller likes.
fn cut(text: &str) -> String {
    text.chars().take(200).collect()
}
