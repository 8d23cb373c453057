//! Text for people. Whatever an event, a policy or AWS put into a finding passes through here before it leaves.

use portcullis_domain::ids::{AccountId, GroupId, Region};
use portcullis_domain::text::for_people;

/// Text as code in markdown: it cannot become a link, a heading or a mention.
pub(super) fn code(text: &str) -> String {
    format!("`{}`", for_people(text))
}

/// Our own sentence in markdown. What it quotes stands between backticks, which no quoted text has; outside of them nothing
/// may become a link.
pub(super) fn sentence(text: &str) -> String {
    let plain = |part: &str| part.replace(['<', '['], "(").replace(['>', ']'], ")");
    let parts = text.split('`').enumerate();
    let parts = parts.map(|(n, part)| if n % 2 == 1 { for_people(part) } else { for_people(&plain(part)) });
    let text = parts.collect::<Vec<_>>().join("`");
    // An odd one would turn the rest into code.
    if text.matches('`').count() % 2 == 1 { text + "`" } else { text }
}

/// A group's id, where it is one: an event may hold any text in its place.
pub(super) fn group_id(group: Option<&String>) -> Option<GroupId> {
    GroupId::parse(group?).ok()
}

/// Account and Region, as far as they are what they should be.
pub(super) fn place(account: Option<&String>, region: Option<&String>) -> Option<String> {
    let account = account.and_then(|account| AccountId::parse(account).ok()).map(|account| account.to_string());
    let region = region.and_then(|region| Region::parse(region).ok()).map(|region| region.to_string());
    let parts: Vec<String> = [account, region].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}
