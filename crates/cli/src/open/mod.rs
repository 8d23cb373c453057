//! Openings that end by themselves, as an operator makes and closes them.

mod events;
mod from;
mod ports;
mod schedule;
mod stack;

use std::collections::BTreeMap;
use std::io;

use jiff::{SignedDuration, Timestamp};
use portcullis::aws::Aws;
use portcullis::domain::ids::{AccountId, GroupId, Region};
use portcullis::domain::memory::{
    Entries, Listed, Memory, Waiver, WaiverKind, item_of, openings_of, waiver_name, written,
};
use portcullis::store::{Store, StoreError, Update};
use tokio::time::Instant;

pub use events::{Events, Forwarding};
pub use from::{ADDRESS_SERVICE, AddressError, From, address};
pub use ports::{Ports, ports};
pub use schedule::{Schedule, ScheduleError};
pub use stack::{Stack, StackError};

use crate::operator::explained;

/// The memory of openings, as an operator reads and writes it.
pub struct Openings<'a> {
    /// Where it is.
    pub store: &'a Store,
    /// The clients.
    pub aws: &'a Aws,
    /// How long it may take.
    pub until: Instant,
}

impl Openings<'_> {
    /// The list of an account and Region.
    ///
    /// # Errors
    /// Why the memory cannot be read.
    pub async fn list(&self, account: &AccountId, region: &Region) -> io::Result<List> {
        let entries = self.read(&openings_of(account, region)).await?;
        let ended = Memory::read(&entries).ended;
        let read = |(id, value): (String, _)| Some((id, serde_json::from_value(value).ok()?));
        let mut openings: Vec<(String, Listed)> = entries.into_iter().filter_map(read).collect();
        openings.sort_by(|one, other| (one.1.until, &one.0).cmp(&(other.1.until, &other.0)));
        Ok(List { openings, ended })
    }

    /// The openings that a group's own memory knows, by their waivers' ids.
    ///
    /// # Errors
    /// Why the memory cannot be read.
    pub async fn of_group(&self, account: &AccountId, region: &Region, group: &GroupId) -> io::Result<Vec<String>> {
        let memory = Memory::read(&self.read(&item_of(account, region, group)).await?);
        let openings = memory.waivers.into_iter().filter(|(_, waiver)| waiver.kind == WaiverKind::Open);
        Ok(openings.map(|(id, _)| id).collect())
    }

    async fn read(&self, key: &str) -> io::Result<Entries> {
        self.store.read(self.aws, key, self.until).await.map_err(|error| trouble(&error))
    }

    /// Writes entries of an item, and takes others from it. Returns what the item holds then.
    ///
    /// # Errors
    /// Why the memory cannot be written.
    pub async fn change(&self, key: &str, (set, remove): (Entries, Vec<String>)) -> io::Result<Entries> {
        let update = Update { set, remove, ..Update::default() };
        self.store.update(self.aws, key, &update, self.until).await.map_err(|error| trouble(&error))
    }

    /// Writes a waiver into its group's item. The item stays until the last of its waivers is over.
    ///
    /// # Errors
    /// Why the memory cannot be written.
    pub async fn waive(&self, key: &str, id: &str, waiver: &Waiver) -> io::Result<()> {
        let set: Entries = written(waiver).map(|waiver| (waiver_name(id), waiver)).into_iter().collect();
        let alone = Memory { waivers: [(id.to_owned(), waiver.clone())].into(), ..Memory::default() };
        let needed = alone.needed_until(waiver.until);
        let write = async |update: Update| {
            self.store.update(self.aws, key, &update, self.until).await.map_err(|error| trouble(&error))
        };
        let entries = write(Update { set, ttl: Some(needed), ..Update::default() }).await?;
        // Another waiver of the group may last for longer.
        let all = Memory::read(&entries).needed_until(waiver.until);
        if all > needed {
            write(Update { ttl: Some(all), ..Update::default() }).await?;
        }
        Ok(())
    }
}

/// The openings of an account and Region.
#[derive(Debug, Clone, Default)]
pub struct List {
    /// Those that are open, by their waivers' ids, the one that ends first at the beginning.
    pub openings: Vec<(String, Listed)>,
    /// Those that were ended in the last day, and when.
    pub ended: BTreeMap<String, Timestamp>,
}

fn trouble(error: &StoreError) -> io::Error {
    io::Error::other(format!("the memory: {}", explained(&error.to_string())))
}

/// A time as people say it: `in 2 h`, `in 1 h 30 min`.
#[must_use]
pub fn in_words(time: SignedDuration) -> String {
    if time < SignedDuration::from_mins(1) {
        return format!("{} s", time.as_secs().max(0));
    }
    let minutes = time.as_mins();
    match (minutes / (24 * 60), minutes / 60 % 24, minutes % 60) {
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, 0) => format!("{hours} h"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, 0, 0) => format!("{days} d"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_its_two_largest_units() {
        for (seconds, words) in [
            (10, "10 s"),
            (90, "1 min"),
            (7200, "2 h"),
            (7199, "1 h 59 min"),
            (86_400, "1 d"),
            (90_000, "1 d 1 h"),
            (-5, "0 s"),
        ] {
            assert_eq!(in_words(SignedDuration::from_secs(seconds)), words);
        }
    }
}
