//! Whether an act, judged again from its own evidence, is what its evidence says.

use portcullis::domain::evidence::{ActId, Evidence};
use portcullis::domain::plan::Plan;
use portcullis::domain::policy::Policy;

use super::ALTERED;

/// What came of it.
#[derive(Debug, PartialEq)]
pub enum Verified {
    /// The same plan.
    Same(Box<Evidence>, Plan),
    /// Where it differs, or what is wrong.
    Differs(String),
}

/// Judges an act again. `id` is the one under which its document is kept, where it is kept; `policy` finds the policy with
/// a hash.
pub async fn verify(text: &str, id: Option<&ActId>, policy: impl AsyncFn(&str) -> std::io::Result<Policy>) -> Verified {
    let (evidence, is_whole) = match Evidence::read(text) {
        Ok(read) => read,
        Err(error) => return Verified::Differs(error.to_string()),
    };
    if let Some(id) = id.filter(|id| **id != evidence.id) {
        return Verified::Differs(format!("id: it is kept as {id}, and says that it is {}", evidence.id));
    }
    let replayed = match policy(&evidence.guard.policy).await {
        Ok(policy) => evidence.replay(&policy).map_err(|mismatch| mismatch.to_string()),
        Err(error) => Err(format!("guard.policy: {error}")),
    };
    match (replayed, is_whole) {
        (Ok(plan), true) => Verified::Same(Box::new(evidence), plan),
        (Ok(_), false) => Verified::Differs(ALTERED.to_owned()),
        (Err(why), true) => Verified::Differs(with_version(&evidence, why)),
        (Err(why), false) => Verified::Differs(format!("{ALTERED}; {why}")),
    }
}

/// Another version may judge otherwise.
fn with_version(evidence: &Evidence, why: String) -> String {
    let own = env!("CARGO_PKG_VERSION");
    match evidence.guard.version.as_str() {
        version if version == own => why,
        version => format!("{why} (it was judged by version {version}; this is {own})"),
    }
}
