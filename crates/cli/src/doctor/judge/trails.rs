//! CloudTrail: whether a trail logs management write events in each guarded Region. EventBridge gets events only where one
//! does.

use std::collections::BTreeMap;

use portcullis_domain::ids::Region;

use super::super::inventory::{Trail, Trails};
use super::super::mend::word;
use super::Lines;
use crate::trail::Logged;

/// One line for all Regions that are right, and one for each that is not.
pub(super) fn judge(account: &str, regions: &BTreeMap<Region, Trails>, lines: &mut Lines) {
    let mut right: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (region, trails) in regions {
        lines.place(account, region.as_str());
        let Some(trails) = lines.seen("trail", trails) else { continue };
        if let Some(trail) = region_of(trails, lines) {
            right.entry(&trail.arn).or_default().push(region.as_str());
        }
    }
    lines.place(account, "");
    for (arn, regions) in right {
        lines.right("trail", format!("{arn} logs write events in {}", regions.join(", ")));
    }
}

/// The trail that logs what the guard needs; else a line that says what is missing.
pub(super) fn region_of<'a>(trails: &'a [Trail], lines: &mut Lines) -> Option<&'a Trail> {
    if let Some(trail) = trails.iter().find(|trail| trail.serves()) {
        return Some(trail);
    }
    let errors = trails.iter().flat_map(|trail| [trail.status.as_ref().err(), trail.writes.as_ref().err()]);
    let Some(trail) = trails.first() else {
        let why = "no trail logs here, so EventBridge gets no events: only the sweep sees changes";
        lines.wrong("trail", None, why, Some("portcullis trail create".to_owned()));
        return None;
    };
    if let Some(error) = errors.flatten().next() {
        lines.failed("trail", Some(&trail.arn), error);
        return None;
    }
    let (arn, home) = (word(&trail.arn), &trail.home);
    // The trail that is nearest to what is needed.
    let logging = trails.iter().find(|trail| matches!(trail.status, Ok((true, _))));
    match logging {
        None => {
            let mend = format!("aws cloudtrail start-logging --region {home} --name {arn}");
            lines.wrong("trail", Some(&trail.arn), "the trail is stopped: EventBridge gets no events", Some(mend));
        }
        Some(Trail { arn, status: Ok((_, Some(error))), .. }) => {
            let why = format!("its last log file could not be delivered: {error}");
            lines.wrong("trail", Some(arn), why, Some("portcullis trail show".to_owned()));
        }
        Some(Trail { arn, home, writes, .. }) => {
            let mend = format!(
                "aws cloudtrail put-event-selectors --region {home} --trail-name {} --event-selectors \
                 '[{{\"ReadWriteType\":\"All\",\"IncludeManagementEvents\":true}}]'",
                word(arn)
            );
            let out = writes.as_ref().map_or_else(|_| String::new(), |events| events.leaves_out.join("; "));
            match writes.as_ref().map(|events| events.logged) {
                Ok(Logged::Partly) => {
                    let why = format!("its selectors leave out a part of the write events: {out}");
                    lines.unknown("trail", Some(arn), why, Some(mend));
                }
                _ => lines.wrong(
                    "trail",
                    Some(arn),
                    format!("its selectors leave out what the guard needs: {out}"),
                    Some(mend),
                ),
            }
        }
    }
    None
}
