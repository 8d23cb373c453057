//! Openings that end by themselves, as an operator makes and closes them.

mod from;
mod ports;
mod schedule;
mod stack;

use std::io;

use jiff::{SignedDuration, Timestamp};
use portcullis::aws::Aws;
use portcullis::domain::ids::{AccountId, Region};
use portcullis::domain::memory::{Entries, Listed, openings_of};
use portcullis::store::{Store, StoreError, Update};
use tokio::time::Instant;

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
    /// The openings of an account and Region, by their waivers' ids.
    ///
    /// # Errors
    /// Why the memory cannot be read.
    pub async fn all(&self, account: &AccountId, region: &Region) -> io::Result<Vec<(String, Listed)>> {
        let key = openings_of(account, region);
        let entries = self.store.read(self.aws, &key, self.until).await.map_err(|error| trouble(&error))?;
        let read = |(id, value): (String, _)| Some((id, serde_json::from_value(value).ok()?));
        let mut all: Vec<(String, Listed)> = entries.into_iter().filter_map(read).collect();
        all.sort_by(|one, other| (one.1.until, &one.0).cmp(&(other.1.until, &other.0)));
        Ok(all)
    }

    /// Writes entries of an item, and takes others from it.
    ///
    /// # Errors
    /// Why the memory cannot be written.
    pub async fn change(
        &self,
        key: &str,
        (set, remove): (Entries, Vec<String>),
        ttl: Option<Timestamp>,
    ) -> io::Result<()> {
        let update = Update { set, remove, ttl, ..Update::default() };
        self.store.update(self.aws, key, &update, self.until).await.map(|_| ()).map_err(|error| trouble(&error))
    }
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
