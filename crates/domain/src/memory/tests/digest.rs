//! The digest's item: what places leave in it, and how it is brought together.

use super::*;
use crate::finding::{MOST_NAMED, SweepFinding};

/// The summary of a place where these groups are open.
fn open(groups: &[&str]) -> SweepFinding {
    let open: Vec<String> = groups.iter().map(|group| format!("{group}: tcp 22 (ssh) from 0.0.0.0/0")).collect();
    SweepFinding {
        accounts: 1,
        places: 1,
        groups: 9,
        exposed: open.len(),
        open,
        new: Some(1),
        ..SweepFinding::default()
    }
}

fn left(entries: &mut Entries, place: &str, sweep: &SweepFinding, minutes: i64) {
    let part = Waiting::read(entries).part(place, sweep, after(minutes));
    entries.extend(part);
}

#[test]
fn what_places_leave_is_one_summary_and_a_place_that_says_it_twice_counts_once() {
    let mut entries = Entries::new();
    assert_eq!(Waiting::read(&entries).together(), None);
    left(&mut entries, "111122223333,eu-west-1", &open(&["sg-1", "sg-2"]), 0);
    left(&mut entries, "111122223333,eu-west-2", &open(&["sg-3"]), 1);
    left(&mut entries, "111122223333,eu-west-2", &open(&["sg-3"]), 2);
    left(&mut entries, "444455556666,eu-west-2", &SweepFinding { new: Some(0), ..open(&["sg-4"]) }, 3);
    let waiting = Waiting::read(&entries);
    assert_eq!(waiting.names().len(), 3, "{:?}", waiting.names());
    let all = waiting.together().unwrap();
    assert_eq!((all.accounts, all.places, all.groups, all.exposed, all.new), (2, 3, 27, 4, Some(2)));
    assert_eq!(all.count_open(), (4, false));
    let named: Vec<&str> = all.open.iter().filter_map(|line| line.split(':').next()).collect();
    assert_eq!(named, ["sg-1", "sg-3", "sg-4", "sg-2"], "the places in turn, those with something new first");
    // What a place says later counts, and what it said before goes with it.
    left(&mut entries, "111122223333,eu-west-1", &open(&["sg-5"]), 4);
    let waiting = Waiting::read(&entries);
    assert_eq!((waiting.names().len(), waiting.together().unwrap().exposed), (4, 3));
    // Where one place cannot tell what is new, nobody can for all.
    left(&mut entries, "444455556666,eu-west-1", &SweepFinding { new: None, ..open(&["sg-6"]) }, 5);
    assert_eq!(Waiting::read(&entries).together().unwrap().new, None);
}

#[test]
fn a_place_with_many_groups_keeps_no_other_from_being_named() {
    let mut entries = Entries::new();
    let many: Vec<String> = (0..60).map(|n| format!("loud-{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for n in 0..20 {
        left(&mut entries, &format!("111122223333,eu-west-{n}"), &open(&many), 0);
    }
    left(&mut entries, "444455556666,eu-west-1", &open(&["quiet"]), 0);
    let all = Waiting::read(&entries).together().unwrap();
    assert!(all.open.iter().any(|line| line.starts_with("quiet")), "{:?}", all.open);
    assert_eq!((all.open.len(), all.count_open()), (MOST_NAMED, (20 * 60 + 1, false)));
}

#[test]
fn it_is_time_to_say_everything_again_after_a_day() {
    let waiting = |minutes| Waiting::read(&Waiting::asked_for_all(after(minutes)));
    assert!(Waiting::default().is_due(now()));
    for (age, is_due) in [(0, false), (60, false), (23 * 60, false), (24 * 60 - 5, true), (25 * 60, true)] {
        assert_eq!(waiting(0).is_due(after(age)), is_due, "{age}");
    }
    assert_eq!(waiting(0).names(), Vec::<String>::new(), "the time is nothing to be told");
}

/// An item has at most 400 KB.
#[test]
fn the_item_stays_small_however_many_places_have_something_to_tell() {
    let mut entries = Entries::new();
    let wide: Vec<String> = (0..60).map(|n| format!("{n} {}", "x".repeat(240))).collect();
    let wide: Vec<&str> = wide.iter().map(String::as_str).collect();
    // All that read the item before any of them has written to it.
    let first = Waiting::default();
    for n in 0..10 {
        entries.extend(first.part(&format!("{:012},ap-northeast-1", n), &open(&wide), now()));
    }
    // And then some at a time.
    for n in (10..2500).step_by(25) {
        let waiting = Waiting::read(&entries);
        let place = |n: usize| format!("{n:012},ap-northeast-1");
        (n..n + 25).for_each(|n| entries.extend(waiting.part(&place(n), &open(&wide), now())));
    }
    let size: usize = entries.iter().map(|(name, value)| name.len() + value.to_string().len()).sum();
    assert!(size < 380_000, "{size}");
    let waiting = Waiting::read(&entries);
    assert!((1000..2000).contains(&waiting.names().len()), "{}", waiting.names().len());
    let all = waiting.together().unwrap();
    assert!(all.count_open().1 && all.counts().contains("further Regions have more to tell"), "{}", all.counts());
    // When all of that was told, nothing is left.
    entries.retain(|name, _| !waiting.names().contains(name));
    assert_eq!(entries, Entries::new());
}

#[test]
fn an_order_is_read_as_it_is_written() {
    for order in [DigestOrder::News, DigestOrder::Tell, DigestOrder::AllSince(now())] {
        assert_eq!(DigestOrder::parse(&order.to_string()), Some(order));
    }
    assert_eq!(DigestOrder::parse("all"), None);
}

#[test]
fn of_what_cannot_be_read_it_is_told_that_it_is_there() {
    let mut entries = Entries::from([
        ("part#1,eu-west-1#0123456789abcdef".to_owned(), Value::from("nonsense")),
        ("daily_at".to_owned(), Value::from(7)),
    ]);
    let waiting = Waiting::read(&entries);
    let all = waiting.together().unwrap();
    assert_eq!((all.places, all.count_open().1), (0, true));
    assert_eq!(waiting.names(), ["part#1,eu-west-1#0123456789abcdef"], "it goes when that was told");
    left(&mut entries, "1,eu-west-2", &open(&["sg-1"]), 0);
    let all = Waiting::read(&entries).together().unwrap();
    assert_eq!((all.places, all.count_open().1), (1, true));
}

/// Whoever tells what waits removes what he has read, by name.
#[test]
fn what_comes_after_the_item_was_read_stays_in_it() {
    let place = "1,eu-west-1";
    let mut entries = Entries::new();
    let many: Vec<String> = (0..60).map(|n| format!("sg-{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    left(&mut entries, place, &open(&many), 0);
    let names = Waiting::read(&entries).names();
    // The lines that are kept are the same. Only the counts differ.
    left(&mut entries, place, &SweepFinding { undecided: 51, ..open(&many) }, 1);
    entries.retain(|name, _| !names.contains(name));
    assert_eq!(Waiting::read(&entries).together().map(|all| all.undecided), Some(51));

    let mut full = Entries::new();
    (0..1500).for_each(|n| full.extend(Waiting::default().part(&format!("{n},eu-west-1"), &open(&["sg-1"]), now())));
    left(&mut full, "1501,eu-west-1", &open(&["sg-1"]), 0);
    let names = Waiting::read(&full).names();
    left(&mut full, "1502,eu-west-1", &open(&["sg-1"]), 1);
    full.retain(|name, _| !names.contains(name));
    let all = Waiting::read(&full).together().unwrap();
    assert_eq!((all.places, all.count_open().1), (0, true), "that there is more is told even where nothing else waits");
}

#[test]
fn what_is_nearly_open_is_named() {
    let mut entries = Entries::new();
    let nearly_open = vec!["sg-9: tcp 22 (ssh)".to_owned()];
    left(&mut entries, "1,eu-west-1", &SweepFinding { nearly_open: nearly_open.clone(), ..open(&["sg-1"]) }, 0);
    assert_eq!(Waiting::read(&entries).together().unwrap().nearly_open, nearly_open);
}
