//! What is open for a while, as a list.

use std::io::{self, Write};

use jiff::Timestamp;
use portcullis::aws::AccountRegion;
use portcullis::domain::evidence::words;
use portcullis::domain::memory::Listed;
use portcullis::domain::rule::Permission;
use portcullis::domain::text::escaped;
use portcullis_cli::open::in_words;
use portcullis_cli::show::plain_table;
use portcullis_cli::terminal::Terminal;
use serde_json::json;

use super::place::Place;

/// How the list is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// For people
    Table,
    /// For machines: one opening a line
    Json,
}

/// `tcp 22 from 203.0.113.7/32`.
pub(super) fn what(permission: &Permission) -> String {
    escaped(&words(permission))
}

/// Shows the openings of the group's account and Region.
pub(super) async fn list(place: &Place, format: Format, terminal: Terminal) -> io::Result<u8> {
    let AccountRegion { account, region } = &place.target();
    let all = place.openings().list(account, region).await?.openings;
    let now = place.now();
    let mut out = io::stdout().lock();
    match format {
        Format::Json => {
            for (id, Listed { group, until, by, reason, what }) in &all {
                let line = json!({"waiver": id, "account": account, "region": region, "group": group, "open": what,
                    "until": until, "by": by, "reason": reason, "overdue": *until <= now});
                writeln!(out, "{line}")?;
            }
        }
        Format::Table if all.is_empty() => writeln!(out, "Nothing is open for a while in {account} {region}.")?,
        Format::Table => {
            let header = ["open", "until", "by", "reason", "waiver"];
            let rows: Vec<Vec<String>> = all.iter().map(|(id, it)| row(id, it, now)).collect();
            writeln!(out, "{}", plain_table(&header, &rows, terminal))?;
        }
    }
    Ok(0)
}

fn row(id: &str, listed: &Listed, now: Timestamp) -> Vec<String> {
    let Listed { group, until, by, reason, what } = listed;
    let left = match until.duration_since(now) {
        left if left.is_positive() => format!("in {}", in_words(left)),
        _ => "OVERDUE".to_owned(),
    };
    let by = by.rsplit('/').next().unwrap_or(by);
    vec![
        format!("{}\n{group}", what.split(", ").map(escaped).collect::<Vec<_>>().join("\n")),
        format!("{until}\n{left}"),
        escaped(by),
        escaped(reason),
        escaped(id),
    ]
}
