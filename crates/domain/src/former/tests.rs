use super::*;
use crate::judge::tests::permission;

fn at(time: &str) -> Timestamp {
    format!("2026-11-21T{time}Z").parse().unwrap()
}

fn seen(from: Source, time: &str, value: &str) -> Seen {
    let value = Some(Value { permission: permission(value), description: None });
    Seen { at: at(time), from, value, is_new: false }
}

fn call(time: &str, value: &str) -> Seen {
    seen(Source::Event, time, value)
}

fn sweep(time: &str, value: &str) -> Seen {
    seen(Source::Sweep, time, value)
}

fn history(seen: Vec<Seen>) -> History {
    History { seen, nothing: "nothing was seen".to_owned(), ..History::default() }
}

/// What the rule was before a call of this time, in a word: its ports, who says so and when; where that opens tcp 22, what it
/// was before that.
fn before(history: &History, time: &str) -> String {
    fn word(former: &Former) -> String {
        match former {
            Former::Unknown(why) => format!("unknown: {why}"),
            Former::Was(was) => {
                let port = was.permission.traffic.from_port().unwrap();
                let (at, from) = (was.as_of.strftime("%H:%M:%S"), format!("{:?}", was.from).to_lowercase());
                let before = was.before.as_deref().map_or_else(String::new, |it| format!(", before that {}", word(it)));
                let doubt = was.doubt.as_ref().map_or_else(String::new, |why| format!(", doubtful: {why}"));
                format!("{port} {from} {at}{before}{doubt}")
            }
        }
    }
    let is_ssh = |value: &Permission| value.traffic.from_port() == Some(22);
    word(&history.before(Some(at(time)), is_ssh))
}

const OPEN: &str = "tcp 22 0.0.0.0/0";
const WEB: &str = "tcp 443 0.0.0.0/0";
const OTHER: &str = "tcp 8443 0.0.0.0/0";

#[test]
fn the_newest_value_strictly_before_the_call_counts_and_never_simply_the_latest() {
    let seen = vec![call("17:50:00", OTHER), sweep("17:30:00", WEB), call("17:00:00", OPEN)];
    for (time, was) in [
        ("17:50:00", "443 sweep 17:30:00"),
        ("17:50:01", "8443 event 17:50:00"),
        ("17:00:00", "unknown: nothing was seen"),
        ("16:00:00", "unknown: nothing was seen"),
    ] {
        assert_eq!(before(&history(seen.clone()), time), was, "{time}");
        let reversed = seen.iter().rev().cloned().collect();
        assert_eq!(before(&history(reversed), time), was, "{time}");
    }
    assert_eq!(
        history(seen).before(None, |_| false),
        Former::Unknown("the record has no time".to_owned()),
        "nobody knows what is before it"
    );
}

#[test]
fn a_sweep_counts_only_when_it_looked_a_minute_before_for_clocks_differ() {
    let seen = vec![sweep("17:30:00", WEB)];
    assert_eq!(before(&history(seen.clone()), "17:30:59"), "unknown: nothing was seen");
    assert_eq!(before(&history(seen), "17:31:00"), "443 sweep 17:30:00");
}

/// EC2 may show a look the value of before. Whoever opens a port again right after it was given back would otherwise have a
/// sweep as a witness that it was open all along.
#[test]
fn a_sweep_that_shows_otherwise_than_the_call_just_before_it_is_not_believed() {
    let stale = vec![call("17:29:50", WEB), sweep("17:30:00", OPEN)];
    assert_eq!(before(&history(stale), "17:40:00"), "443 event 17:29:50");
    let settled = vec![call("17:28:59", WEB), sweep("17:30:00", OPEN)];
    assert_eq!(before(&history(settled), "17:40:00"), "22 sweep 17:30:00");
    let same = vec![call("17:29:50", WEB), sweep("17:30:00", WEB)];
    assert_eq!(before(&history(same), "17:40:00"), "443 sweep 17:30:00");
}

#[test]
fn what_two_calls_of_one_second_made_of_it_is_unknown_unless_they_agree() {
    let twins = vec![call("17:00:00", WEB), call("17:00:00", OTHER)];
    assert_eq!(
        before(&history(twins.clone()), "17:50:00"),
        "unknown: two calls of 2026-11-21T17:00:00Z set it to different values"
    );
    let newer = twins.into_iter().chain([call("17:10:00", WEB)]).collect();
    assert_eq!(before(&history(newer), "17:50:00"), "443 event 17:10:00");
    assert_eq!(before(&history(vec![call("17:00:00", WEB), call("17:00:00", WEB)]), "17:50:00"), "443 event 17:00:00");
}

#[test]
fn a_call_whose_record_does_not_say_what_it_made_hides_what_was_before() {
    let unread = Seen { value: None, ..call("17:00:00", WEB) };
    assert_eq!(
        before(&history(vec![sweep("16:00:00", WEB), unread]), "17:50:00"),
        "unknown: a call of 2026-11-21T17:00:00Z set it, and the record does not say to what"
    );
}

#[test]
fn a_run_that_a_call_began_leads_back_to_the_last_lawful_value() {
    let web = sweep("16:00:00", WEB);
    for (run, was) in [
        (vec![call("17:00:00", OPEN)], "22 event 17:00:00, before that 443 sweep 16:00:00"),
        (
            vec![call("17:00:00", OPEN), call("17:10:00", "tcp 22 8.0.0.0/8")],
            "22 event 17:10:00, before that 443 sweep 16:00:00",
        ),
        // A sweep that saw it open on the way makes it no older.
        (vec![call("17:00:00", OPEN), sweep("17:30:00", OPEN)], "22 sweep 17:30:00, before that 443 sweep 16:00:00"),
    ] {
        let seen = run.into_iter().chain([web.clone()]).collect();
        assert_eq!(before(&history(seen), "17:50:00"), was);
    }
}

#[test]
fn a_run_without_a_lawful_value_before_it_leads_nowhere() {
    let unknown = |why: &str| format!("22 event 17:00:00, before that unknown: {why}");
    let made = Seen { is_new: true, ..call("17:00:00", OPEN) };
    assert_eq!(before(&history(vec![made]), "17:50:00"), unknown("it was made so at 2026-11-21T17:00:00Z"));
    let opened = "a call made it so at 2026-11-21T17:00:00Z, and what it was before that is not known";
    assert_eq!(before(&history(vec![call("17:00:00", OPEN)]), "17:50:00"), unknown(opened));
    let unread = Seen { value: None, ..call("16:00:00", WEB) };
    let hidden = "a call of 2026-11-21T16:00:00Z set it, and the record does not say to what";
    assert_eq!(before(&history(vec![unread, call("17:00:00", OPEN)]), "17:50:00"), unknown(hidden));
}

#[test]
fn what_a_sweep_saw_open_first_or_a_call_opened_a_day_before_stands() {
    for seen in [vec![sweep("16:00:00", OPEN)], vec![call("15:00:00", WEB), sweep("16:00:00", OPEN)]] {
        assert_eq!(before(&history(seen), "17:50:00"), "22 sweep 16:00:00");
    }
    let reworded = vec![sweep("16:00:00", OPEN), call("17:00:00", OPEN)];
    assert_eq!(before(&history(reworded), "17:50:00"), "22 event 17:00:00");
    let stands = |seen: &[Seen], time: &str| {
        let former = history(seen.to_vec()).before(Some(format!("2026-11-22T{time}Z").parse().unwrap()), |_| true);
        matches!(former, Former::Was(Was { before: None, .. }))
    };
    let a_day_ago = [call("17:50:00", OPEN), sweep("18:50:00", OPEN), call("18:55:00", OPEN)];
    assert!(!stands(&a_day_ago, "17:50:00") && stands(&a_day_ago, "17:50:01"));
    assert!(!stands(&a_day_ago[..1], "17:50:01"), "no sweep saw it: a record alone may be anybody's");
}

#[test]
fn a_doubtful_value_is_told_and_settles_nothing() {
    let doubted = History { doubt: Some("no memory".to_owned()), ..history(vec![call("17:00:00", WEB)]) };
    assert_eq!(before(&doubted, "17:50:00"), "443 event 17:00:00, doubtful: no memory");
    assert_eq!(doubted.before(Some(at("17:50:00")), |_| false).settled(), None);
    let since = Some((at("16:30:00"), "too old".to_owned()));
    let old = History { sweeps_since: since, ..history(vec![sweep("16:00:00", WEB)]) };
    assert_eq!(before(&old, "17:50:00"), "443 sweep 16:00:00, doubtful: too old");
    let under = History { seen: vec![sweep("16:00:00", WEB), call("17:00:00", OPEN)], ..old };
    assert_eq!(
        before(&under, "17:50:00"),
        "22 event 17:00:00, before that 443 sweep 16:00:00, doubtful: too old",
        "what a run leads back to is no better than what is told at once"
    );
    assert_eq!(under.before(Some(at("17:50:00")), |value| *value == permission(OPEN)).settled(), None);
}

#[test]
fn what_was_seen_can_be_written_and_read_back() {
    let seen = vec![
        Seen { is_new: true, ..call("17:00:00", OPEN) },
        Seen { value: None, ..call("17:00:00", OPEN) },
        sweep("16:00:00", "-1 - 2001:db8::/32"),
    ];
    let text = serde_json::to_string(&seen).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Seen>>(&text).unwrap(), seen, "{text}");
}
