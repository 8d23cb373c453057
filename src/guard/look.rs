//! A look at EC2 that shows what the records speak of.

use std::time::Duration;

use portcullis_domain::exposure::needs_prefix_list;
use portcullis_domain::ids::AccountId;
use portcullis_domain::trail::{Change, Permission, Subject};

use super::Guard;
use crate::aws::{AwsError, Facts, Target, Wanted};

/// How long a rule that the record lists may stay unseen before it counts as gone: EC2 is eventually consistent.
const SETTLING: Duration = Duration::from_secs(20);
/// The pauses between looks for such a rule.
const SETTLING_LOOKS: [Duration; 2] = [Duration::from_millis(400), Duration::from_millis(1600)];

impl Guard {
    pub(super) async fn look(&self, target: &Target, own: &AccountId, subject: &Subject) -> Result<Facts, AwsError> {
        let prefix_list_of = |permission: &Permission| needs_prefix_list(permission, &self.policy);
        let wanted = Wanted { vpc: self.policy.needs_vpc(), prefix_list_of: &prefix_list_of };
        self.aws.look(target, own, subject, wanted).await
    }

    /// A look that shows the rules of a young change: right after the call EC2 may not show them yet, and what is not
    /// seen yet must not pass for gone.
    pub(super) async fn settled_look(
        &self,
        target: &Target,
        own: &AccountId,
        subject: &Subject,
        changes: &[&Change],
    ) -> Result<Facts, AwsError> {
        let mut facts = self.look(target, own, subject).await?;
        for pause in SETTLING_LOOKS {
            let now = (self.clock)();
            let unsettled = changes.iter().any(|change| {
                let age = change.seen.time.map(|time| now.duration_since(time));
                let young = age.is_none_or(|age| age.unsigned_abs() < SETTLING);
                young && !facts.agree_with(change)
            });
            if !unsettled {
                break;
            }
            tokio::time::sleep(pause).await;
            facts = self.look(target, own, subject).await?;
        }
        Ok(facts)
    }
}
