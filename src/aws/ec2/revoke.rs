//! The one write: RevokeSecurityGroupIngress.

use std::collections::BTreeSet;

use aws_config::retry::RetryConfig;
use aws_sdk_ec2::config::Builder;
use aws_sdk_ec2::operation::RequestId;
use aws_sdk_ec2::types::RevokedSecurityGroupRule;
use portcullis_domain::ids::{GroupId, RuleId};
use tokio::time::{Instant, timeout_at};

use crate::aws::rate_limit::{Api, RateLimiter};
use crate::aws::{AccountRegion, AwsError, Effect, Session, within};

/// A rate-limit permit for one revoke call. Dropping it unused returns the token.
#[derive(Debug)]
pub struct Permit<'a> {
    rate_limiter: &'a RateLimiter,
    target: AccountRegion,
    used: bool,
}

impl Permit<'_> {
    pub(super) const fn target(&self) -> &AccountRegion {
        &self.target
    }

    /// A call is made with it.
    pub(super) fn use_up(mut self) {
        self.used = true;
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if !self.used {
            self.rate_limiter.give_back(&self.target, Api::Revoke);
        }
    }
}

/// The call's name.
pub const REVOKE: &str = "RevokeSecurityGroupIngress";

/// EC2's answer to a revoke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// The rules that it lists as revoked.
    pub rules: BTreeSet<RuleId>,
    /// The id of the request.
    pub request: Option<String>,
}

impl<'a> Session<'a> {
    /// Waits until EC2's token bucket should have room for a revoke; nothing where time runs out first. The describe that
    /// leads to the revoke comes after the wait, so that no revoke rests on what was shown before it.
    pub async fn permit(&self, target: &AccountRegion) -> Option<Permit<'a>> {
        let rate_limiter = &self.aws.rate_limiter;
        timeout_at(self.until, rate_limiter.take(target, Api::Revoke)).await.ok()?;
        Some(Permit { rate_limiter, target: target.clone(), used: false })
    }

    /// A permit without a wait, also where EC2's token bucket should be empty. For a revoke that insists.
    #[must_use]
    pub fn permit_now(&self, target: &AccountRegion) -> Permit<'a> {
        let rate_limiter = &self.aws.rate_limiter;
        // Only a token that was taken goes back.
        let used = !rate_limiter.take_now(target, Api::Revoke);
        Permit { rate_limiter, target: target.clone(), used }
    }

    /// Revokes ingress rules by id. While EC2 refuses the call for want of a token, it is repeated until `insist_until`.
    /// EC2 adds a token every 200 ms, and whoever asks next has it (EC2 Developer Guide, "Request throttling").
    ///
    /// # Errors
    /// Those of [`Self::revoke`].
    pub async fn revoke_insisting(
        &self,
        permit: Permit<'_>,
        group: &GroupId,
        rules: &BTreeSet<RuleId>,
        insist_until: Instant,
    ) -> Result<Revoked, AwsError> {
        let target = permit.target.clone();
        let mut answer = self.revoke(permit, group, rules).await;
        while matches!(&answer, Err(error) if error.effect == Effect::NotYet) && Instant::now() < insist_until {
            answer = self.revoke(self.permit_now(&target), group, rules).await;
        }
        answer
    }

    /// Revokes ingress rules by id, and returns those that EC2 lists as revoked. Sent once: after a failure the caller
    /// describes the group again and decides.
    ///
    /// # Errors
    /// [`AwsError`]; one unknown id fails the whole call and revokes nothing (EC2 API Reference,
    /// RevokeSecurityGroupIngress).
    pub async fn revoke(
        &self,
        permit: Permit<'_>,
        group: &GroupId,
        rules: &BTreeSet<RuleId>,
    ) -> Result<Revoked, AwsError> {
        within(self.until, REVOKE, self.send_revoke(permit, group, rules)).await
    }

    async fn send_revoke(
        &self,
        mut permit: Permit<'_>,
        group: &GroupId,
        rules: &BTreeSet<RuleId>,
    ) -> Result<Revoked, AwsError> {
        let once = Builder::new().retry_config(RetryConfig::disabled());
        let ec2 = self.ec2(&permit.target).await?;
        permit.used = true;
        let answer = ec2
            .revoke_security_group_ingress()
            .group_id(group.as_str())
            .set_security_group_rule_ids(Some(rules.iter().map(ToString::to_string).collect()))
            .customize()
            .config_override(once)
            .send()
            .await
            .map_err(|error| AwsError::from_sdk(REVOKE, &error))
            .inspect_err(|error| {
                if error.effect == Effect::NotYet {
                    permit.rate_limiter.empty(&permit.target, Api::Revoke);
                }
            })?;
        let listed = answer.revoked_security_group_rules().iter();
        let ids = listed.filter_map(RevokedSecurityGroupRule::security_group_rule_id);
        let rules = ids.filter_map(|id| id.parse().ok()).collect();
        Ok(Revoked { rules, request: answer.request_id().map(str::to_owned) })
    }
}
