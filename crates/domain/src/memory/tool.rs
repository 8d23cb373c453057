//! Which tool made a call, by its user agent. A user agent is the caller's own word: this is advice, never a decision.

use serde::{Deserialize, Serialize};

/// A tool that makes rules again by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Tool {
    /// Terraform, or a tool that uses its providers.
    Terraform,
    /// CloudFormation, and so the CDK.
    CloudFormation,
    /// The AWS Load Balancer Controller for Kubernetes.
    LoadBalancerController,
}

impl Tool {
    /// The tool, where a user agent names one.
    #[must_use]
    pub fn of(user_agent: &str) -> Option<Self> {
        let has = |part: &str| user_agent.contains(part);
        if has("terraform-provider-aws") || has("HashiCorp/1.0 Terraform") || has("Terraform/") {
            Some(Self::Terraform)
        } else if has("cloudformation.amazonaws.com") {
            Some(Self::CloudFormation)
        } else if has("elbv2.k8s.aws") {
            Some(Self::LoadBalancerController)
        } else {
            None
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Terraform => "Terraform",
            Self::CloudFormation => "CloudFormation",
            Self::LoadBalancerController => "the AWS Load Balancer Controller",
        }
    }

    /// What ends it.
    #[must_use]
    pub const fn what_to_do(self) -> &'static str {
        match self {
            Self::Terraform => "Change the rule in the Terraform code: it comes back at each apply.",
            Self::CloudFormation => {
                "Change the rule in the CloudFormation template: it comes back with each deployment."
            }
            Self::LoadBalancerController => {
                "Give the Kubernetes Service or Ingress the annotation `inbound-cidrs`: the controller makes the rule \
                 again at each reconcile."
            }
        }
    }
}
