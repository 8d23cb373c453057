//! An answer as one page of HTML: one file, no script, no network. Attackers choose user agents and tags, so every text is
//! escaped, and the Content-Security-Policy lets nothing in but this page's own style.

mod charts;

use std::fmt::Write as _;
use std::io::{self, Write};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use portcullis_domain::text::html;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::Notes;
use super::cells::{Shown, cells};
use super::json::value;
use crate::engine::Answer;
use crate::hunts::Hunt;

const STYLE: &str = include_str!("page.css");
/// More rows than this a browser shows slowly.
const MOST: usize = 5000;

pub(super) fn write(hunt: &Hunt, answer: &Answer, notes: &Notes, out: &mut impl Write) -> io::Result<()> {
    let rows = cells(answer);
    let names: Vec<&str> = answer.schema.fields().iter().map(|field| field.name().as_str()).collect();
    let hash = BASE64_STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    let title = html(if hunt.question.is_empty() { &hunt.name } else { &hunt.question });
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{hash}'; \
         base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#rows\">To the rows</a>\n<header>\n<h1>{title}</h1>\n<p>portcullis hunt {}</p>\n</header>\n<main>\n",
        html(&hunt.name)
    )?;
    for chart in charts::charts(hunt, &names, &rows) {
        out.write_all(chart.as_bytes())?;
    }
    table(&names, &rows, out)?;
    out.write_all(b"<h2>What was read, and what was not known</h2>\n")?;
    for line in notes.lines.iter().chain(&hunt.note) {
        writeln!(out, "<p>{}</p>", html(line))?;
    }
    details("The rows as JSON", &as_json(&names, &rows), out)?;
    details("The query", &hunt.sql, out)?;
    out.write_all(b"</main>\n</body>\n</html>\n")
}

fn table(names: &[&str], rows: &[Vec<Shown>], out: &mut impl Write) -> io::Result<()> {
    let count = rows.len();
    let words = if count == 1 { "1 row".to_owned() } else { format!("{count} rows") };
    write!(
        out,
        "<h2 id=\"rows\">{words}</h2>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"rows\">\n<table>\n<thead><tr>"
    )?;
    for name in names {
        write!(out, "<th scope=\"col\">{}</th>", html(&name.replace('_', " ")))?;
    }
    out.write_all(b"</tr></thead>\n<tbody>\n")?;
    for row in rows.iter().take(MOST) {
        let mut line = String::from("<tr>");
        for cell in row {
            // Writing to a String does not fail.
            let _ = match cell {
                Shown::Null => write!(line, "<td class=\"no\">–</td>"),
                Shown::Number(number) => write!(line, "<td class=\"n\">{number}</td>"),
                Shown::Text(_) | Shown::Bool(_) | Shown::Time(_) => {
                    let text = cell.text();
                    // Ids, addresses and times are not broken.
                    let class = if text.chars().count() <= 24 { " class=\"s\"" } else { "" };
                    write!(line, "<td{class}>{}</td>", html(&text))
                }
            };
        }
        writeln!(out, "{line}</tr>")?;
    }
    out.write_all(b"</tbody>\n</table>\n</div>\n")?;
    if count > MOST {
        writeln!(out, "<p>The first {MOST} of {count} rows. --format csv has all of them.</p>")?;
    }
    Ok(())
}

fn as_json(names: &[&str], rows: &[Vec<Shown>]) -> String {
    let mut lines = String::new();
    for row in rows.iter().take(MOST) {
        let fields = names.iter().zip(row).map(|(name, cell)| ((*name).to_owned(), value(cell)));
        let _ = writeln!(lines, "{}", Value::Object(fields.collect::<Map<_, _>>()));
    }
    lines
}

fn details(summary: &str, text: &str, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "<details>\n<summary>{summary}</summary>\n<pre tabindex=\"0\">{}</pre>\n</details>", html(text))
}

#[cfg(test)]
mod tests {
    use super::html;

    #[test]
    fn no_text_can_end_its_place() {
        assert_eq!(html("</td><script>alert('\"&')"), "&lt;/td&gt;&lt;script&gt;alert(&#39;&quot;&amp;&#39;)");
        assert_eq!(html("a\u{202e}b\u{7}"), "a\\u{202e}b\\u{7}");
    }
}
