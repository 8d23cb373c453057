//! Security Hub: findings into the account and Region that they are about.
//!
//! Source: Security Hub API Reference, BatchImportFindings: at most 100 findings a call, 240 KB each and 6 MB together, 10
//! calls a second with a burst of 30; the caller must be of the finding's own account.

use serde_json::{Value, json};

use super::json_call::{JsonCall, Protocol};
use super::rate_limit::Api;
use super::{AccountRegion, AwsError, Code, Effect, Session};

const IMPORT: JsonCall = JsonCall {
    service: "SecurityHub",
    name: "securityhub",
    operation: "BatchImportFindings",
    protocol: Protocol::RestJson1("/findings/import"),
};

/// One call takes at most this many findings.
pub const MOST_IMPORTED: usize = 100;

/// The code that says that Security Hub is not enabled in the account and Region.
const NOT_ENABLED: &str = "InvalidAccessException";

impl Session<'_> {
    /// Imports findings of one account and Region, at most [`MOST_IMPORTED`], and returns how many Security Hub did not take.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn import_findings(&self, target: &AccountRegion, findings: &[Value]) -> Result<usize, AwsError> {
        let signer = self.signer(target).await?;
        self.aws.rate_limiter.take(target, Api::Findings).await;
        let body = json!({ "Findings": findings });
        let answer = IMPORT.send(&self.aws.base, signer, &target.region, &body).await;
        if answer.as_ref().is_err_and(|error| error.effect == Effect::NotYet) {
            self.aws.rate_limiter.empty(target, Api::Findings);
        }
        let answer = answer?;
        for failed in answer.get("FailedFindings").and_then(Value::as_array).into_iter().flatten() {
            let text = |key: &str| failed.get(key).and_then(Value::as_str).unwrap_or("?");
            let (id, code, message) = (text("Id"), text("ErrorCode"), text("ErrorMessage"));
            tracing::error!(id, code, message, "Security Hub did not take a finding");
        }
        // What is not counted as taken is not taken for taken.
        let taken = answer.get("SuccessCount").and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok());
        Ok(findings.len().saturating_sub(taken.unwrap_or_default()))
    }
}

/// Whether an error says that Security Hub is not enabled in the account and Region.
#[must_use]
pub fn is_not_enabled(error: &AwsError) -> bool {
    matches!(&error.code, Code::Aws(code) if code == NOT_ENABLED)
}
