//! The waiver of an undo: an exemption for one group, with a reason, a name and an end, in the function's memory.

use std::io;

use jiff::Timestamp;
use portcullis::domain::facts::Facts;
use portcullis::domain::memory::{Waiver, WaiverKind, item_of};
use portcullis::domain::policy::{Exemption, Policy};
use portcullis::store::Store;
use portcullis_cli::open::Openings;
use tokio::time::Instant;

use super::PATIENCE;
use super::back::Back;

/// A waiver and its id.
pub(super) type Named = (String, Waiver);

impl Back<'_> {
    /// The waiver that lets the rules be, and its exemptions.
    pub(super) fn waiver(
        &self,
        (guards, sources): (Vec<String>, Vec<portcullis::domain::net::Cidr>),
        facts: &Facts,
        now: Timestamp,
    ) -> io::Result<Option<(Named, Vec<Exemption>)>> {
        let (Some(time), Some(reason)) = (self.arguments.waive, &self.arguments.reason) else { return Ok(None) };
        let until = now.checked_add(time).map_err(io::Error::other)?;
        let by = self.principal();
        let waiver = Waiver {
            kind: WaiverKind::Undo,
            by,
            reason: reason.clone(),
            from: now,
            until,
            guards,
            sources,
            rules: Vec::new(),
        };
        let id = format!("w-{}", short(&[self.evidence.id.as_str(), &now.to_string()]));
        let exemptions = waiver.exemptions(&id, &facts.location, self.policy, now);
        let refused = |why| io::Error::other(format!("the policy lets no such waiver be: {why}; nothing was done"));
        Ok(Some(((id, waiver), exemptions.map_err(refused)?)))
    }

    /// Writes the waiver. Alone it opens nothing.
    pub(super) async fn write_waiver(&self, (id, waiver): &Named) -> io::Result<()> {
        let location = &self.evidence.location;
        let store = self.store()?;
        let key = item_of(&location.account, &location.region, &location.group);
        let openings = Openings { store: &store, aws: self.aws, until: Instant::now() + PATIENCE };
        let done = openings.waive(&key, id, waiver).await;
        done.map_err(|error| io::Error::other(format!("the waiver was not written: {error}; nothing was opened")))
    }

    fn store(&self) -> io::Result<Store> {
        let name = match &self.arguments.memory {
            Some(name) => name.clone(),
            None => memory_of_environment(),
        };
        match name.as_str() {
            "" => Err(io::Error::other(
                "--waive writes to the function's memory: name it with --memory TABLE or --memory FOLDER, or in the \
                 variable PORTCULLIS_MEMORY; nothing was opened",
            )),
            name => Ok(store_named(name)),
        }
    }

    /// The policy with the waiver.
    pub(super) fn policy_with(&self, exemptions: Vec<Exemption>) -> Policy {
        self.policy.with_waivers(exemptions)
    }
}

/// A folder is a path with a `/`; anything else is a table's name.
pub(crate) fn store_named(name: &str) -> Store {
    match name.contains('/') {
        true => Store::Folder(name.into()),
        false => Store::Table(name.to_owned()),
    }
}

/// The memory that the function's own variable names; empty where it names none.
pub(crate) fn memory_of_environment() -> String {
    #[expect(clippy::disallowed_methods, reason = "an option of the command line, by its variable")]
    std::env::var("PORTCULLIS_MEMORY").unwrap_or_default()
}

/// Eight letters and digits that tell it from others.
fn short(parts: &[&str]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(parts.join(" ")).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}
