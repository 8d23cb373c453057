//! What prefix lists held, and when. Records say that a list was changed, not what it holds then; snapshots say what it held.

use portcullis_domain::ids::PrefixListId;
use portcullis_domain::net::Cidr;

use super::Knowledge;

/// One prefix list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrefixList {
    /// The account that may change it; `AWS` for a list that AWS manages. `None`: no snapshot says it.
    pub owner: Option<String>,
    /// Its Region.
    pub region: Option<String>,
    /// What it held, in order of time. Between them, nobody knows.
    pub contents: Vec<Contents>,
    /// When it was last changed.
    pub changed: Option<i64>,
}

/// What a list held from one change to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// The blocks, in order.
    pub entries: Vec<Cidr>,
    /// `None`: no record changed it before.
    pub from: Option<i64>,
    /// When a snapshot last showed it.
    pub seen: i64,
    /// `None`: no record changed it since.
    pub to: Option<i64>,
}

/// A change of a list takes effect after the call has returned, within this many seconds.
const SETTLES: i64 = 60;

impl PrefixList {
    /// Someone changed it.
    pub(super) fn change(&mut self, time: i64) {
        self.changed = Some(time);
        if let Some(last) = self.contents.last_mut().filter(|last| last.to.is_none()) {
            last.to = Some(time);
        }
    }

    /// A snapshot shows it.
    pub(super) fn see(&mut self, entries: &[Cidr], time: i64) {
        let mut entries = entries.to_vec();
        entries.sort();
        entries.dedup();
        let from = match self.contents.last_mut().filter(|last| last.to.is_none()) {
            Some(last) if last.entries == entries => {
                last.seen = time;
                return;
            }
            // A change that the records do not have: nobody knows when.
            Some(last) => {
                last.to = Some(last.seen);
                Some(time)
            }
            None => self.changed.map(|changed| changed + SETTLES),
        };
        self.contents.push(Contents { entries, from, seen: time, to: None });
    }
}

impl Knowledge {
    /// The time of which the records would show any change of a list: those of its owner. There is none for a list that AWS
    /// manages, or whose owner nobody says.
    #[must_use]
    pub fn list_span(&self, list: &PrefixList) -> Option<(i64, i64)> {
        self.span(Some(list.owner.as_deref()?), list.region.as_deref())
    }

    /// What a list held at a time; without a time, when the records begin. `None`: that is not known for certain.
    #[must_use]
    pub fn entries(&self, id: &PrefixListId, time: Option<i64>) -> Option<&[Cidr]> {
        let list = self.lists.get(id)?;
        let (first, last) = self.list_span(list)?;
        let time = time.unwrap_or(first);
        let held = |one: &&Contents| {
            one.from.unwrap_or(first) <= time && one.to.map_or(time <= last.max(one.seen), |to| time < to)
        };
        list.contents.iter().find(held).map(|one| one.entries.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_hold_from_change_to_change_and_what_lies_between_is_not_known() {
        let block = |text: &str| text.parse::<Cidr>().unwrap();
        let (one, two) = (block("10.0.0.0/8"), block("203.0.113.0/24"));
        let mut list = PrefixList { owner: Some("111122223333".to_owned()), ..PrefixList::default() };
        list.see(&[two, one, one], 1000);
        list.see(&[one, two], 2000);
        list.change(3000);
        list.change(4000);
        list.see(&[one], 5000);
        list.see(&[two], 6000);
        let times: Vec<_> = list.contents.iter().map(|one| (one.from, one.seen, one.to)).collect();
        assert_eq!(times, [(None, 2000, Some(3000)), (Some(4060), 5000, Some(5000)), (Some(6000), 6000, None)]);
        let id = PrefixListId::parse("pl-0123456789abcdef0").unwrap();
        let mut knowledge = Knowledge::default();
        knowledge.lists.insert(id.clone(), list);
        assert_eq!(knowledge.entries(&id, Some(1500)), None, "no record of its owner was read");
        knowledge.spans.insert(("111122223333".to_owned(), "eu-west-1".to_owned()), (500, 7000));
        let at = |time| knowledge.entries(&id, time).map(<[Cidr]>::len);
        assert_eq!([at(None), at(Some(499)), at(Some(2999)), at(Some(3000))], [Some(2), None, Some(2), None]);
        assert_eq!(
            [at(Some(4059)), at(Some(4060)), at(Some(5500)), at(Some(7000)), at(Some(7001))],
            [None, Some(1), None, Some(1), None]
        );
    }
}
