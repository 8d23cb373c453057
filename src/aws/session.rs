//! One invocation's view of the clients: an EC2 client for each account and Region, with the member role's credentials
//! where the account is not the function's own.

use std::collections::BTreeMap;

use aws_config::identity::IdentityCache;
use aws_config::sts::AssumeRoleProvider;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::{Builder, ProvideCredentials, SharedCredentialsProvider, SharedIdentityCache};
use portcullis_domain::ids::{AccountId, GroupId};
use portcullis_domain::policy::Mode;
use tokio::time::Instant;

use super::ec2::OnlyWhole;
use super::error::{causes, message};
use super::json_call::Signer;
use super::{AccountRegion, Aws, AwsError, FunctionIdentity, sdk_region};

/// The clients for one invocation: calls are made as `identity`, and end at `until`.
#[derive(Debug, Clone, Copy)]
pub struct Session<'a> {
    pub(super) aws: &'a Aws,
    pub(super) identity: &'a FunctionIdentity,
    pub(super) until: Instant,
    /// An opening of this group is ended, and nothing else.
    ending: Option<&'a GroupId>,
}

/// What is kept from one invocation to the next: a client for each account and Region, credentials for each account.
#[derive(Debug)]
pub(super) struct Pool {
    clients: BTreeMap<AccountRegion, Client>,
    credentials: BTreeMap<AccountId, SharedCredentialsProvider>,
    /// Keeps the credentials of each provider, and renews them in time.
    identities: SharedIdentityCache,
}

impl Default for Pool {
    fn default() -> Self {
        let identities = IdentityCache::lazy().build();
        Self { clients: BTreeMap::new(), credentials: BTreeMap::new(), identities }
    }
}

/// More clients than this are not kept. They are enough for the busiest accounts and Regions of an organisation.
const MOST_CLIENTS: usize = 256;

/// The calls of alert mode's session policy: those that only read.
const READ_ONLY: &str = r#""ec2:DescribeSecurityGroups","ec2:DescribeSecurityGroupRules","ec2:GetManagedPrefixListEntries","ec2:DescribeManagedPrefixLists","ec2:DescribeRegions","ec2:DescribeNetworkInterfaces""#;

/// The session policy of alert mode. To report a finding changes no group.
fn read_only(imports_findings: bool) -> String {
    let import = if imports_findings { r#","securityhub:BatchImportFindings""# } else { "" };
    format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Resource":"*","Action":[{READ_ONLY}{import}]}}}}"#
    )
}

impl Aws {
    /// The clients for one invocation: `identity` is the function's own, and no call goes on after `until`.
    #[must_use]
    pub fn session<'a>(&'a self, identity: &'a FunctionIdentity, until: Instant) -> Session<'a> {
        Session { aws: self, identity, until, ending: None }
    }
}

impl<'a> Session<'a> {
    /// Who the function is.
    #[must_use]
    pub fn identity(&self) -> &'a FunctionIdentity {
        self.identity
    }

    /// When its calls end.
    #[must_use]
    pub fn until(&self) -> Instant {
        self.until
    }

    /// The same, to end an opening of this group. In alert mode the function's own role may revoke nothing, nor may that of a
    /// member: another role may, and the session policy narrows it to this one group.
    #[must_use]
    pub fn ending(&self, group: &'a GroupId) -> Self {
        Self { ending: Some(group), ..*self }
    }

    /// The credentials that end an opening of this group and do nothing else, where there is a role for that.
    async fn credentials_to_end(&self, group: &GroupId, target: &AccountRegion) -> Option<SharedCredentialsProvider> {
        let AccountRegion { account, region } = target;
        let partition = &self.identity.partition;
        let is_own = *account == self.identity.account;
        let (arn, external_id) = match (is_own, &self.aws.end_role, &self.aws.member_end_role) {
            (true, Some(arn), _) => (arn.clone(), None),
            (false, _, Some(role)) => (role.arn(partition, account), role.external_id.as_deref()),
            (true, None, _) | (false, _, None) => return None,
        };
        let of = format!("arn:{partition}:ec2:{region}:{account}");
        // EC2 may ask for the rule as well, where it has tags.
        let policy = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":["ec2:RevokeSecurityGroupIngress"],"Resource":["{of}:security-group/{group}","{of}:security-group-rule/*"]}}}}"#
        );
        let mut provider = AssumeRoleProvider::builder(arn).configure(&self.aws.base).session_name("portcullis-end");
        if let Some(id) = external_id {
            provider = provider.external_id(id);
        }
        let provider = provider.policy(policy).build().await;
        if is_own {
            return Some(SharedCredentialsProvider::new(provider));
        }
        // A member may be deployed without openings. Then its other role may be able to revoke.
        match provider.provide_credentials().await {
            Ok(credentials) => Some(SharedCredentialsProvider::new(credentials)),
            Err(error) => {
                let why = message(&causes(&error));
                tracing::warn!(%account, why, "the role for ends was not assumed: the member role is tried");
                None
            }
        }
    }

    /// The EC2 client for an account's Region.
    pub(super) async fn ec2(&self, target: &AccountRegion) -> Result<Client, AwsError> {
        if let Some(group) = self.ending
            && let Some(credentials) = self.credentials_to_end(group, target).await
        {
            let mut config = Builder::from(&self.aws.base).region(sdk_region(&target.region)).interceptor(OnlyWhole);
            config = config.identity_cache(IdentityCache::lazy().build());
            config.set_credentials_provider(Some(credentials));
            return Ok(Client::from_conf(config.build()));
        }
        let mut pool = self.aws.pool.lock().await;
        if let Some(client) = pool.clients.get(target) {
            return Ok(client.clone());
        }
        if pool.clients.len() >= MOST_CLIENTS {
            *pool = Pool::default();
        }
        let mut config = Builder::from(&self.aws.base)
            .region(sdk_region(&target.region))
            .identity_cache(pool.identities.clone())
            .interceptor(OnlyWhole);
        if let Some(credentials) = self.member(&mut pool, &target.account).await? {
            // Set as it is: a provider that is wrapped again would have a separate place in the identity cache.
            config.set_credentials_provider(Some(credentials));
        }
        let client = Client::from_conf(config.build());
        pool.clients.insert(target.clone(), client.clone());
        Ok(client)
    }

    /// Who signs a call in an account, where no client of the SDK does.
    pub(super) async fn signer(&self, target: &AccountRegion) -> Result<Signer, AwsError> {
        let mut pool = self.aws.pool.lock().await;
        let own = || self.aws.base.credentials_provider();
        let credentials = self.member(&mut pool, &target.account).await?.or_else(own);
        let none = || AwsError::not_sent("AssumeRole", "nothing provides credentials".to_owned());
        Ok(Signer { credentials: credentials.ok_or_else(none)?, identities: pool.identities.clone() })
    }

    /// The credentials of an account's member role; none where the account is the function's own.
    async fn member(
        &self,
        pool: &mut Pool,
        account: &AccountId,
    ) -> Result<Option<SharedCredentialsProvider>, AwsError> {
        if *account == self.identity.account {
            return Ok(None);
        }
        if let Some((of, credentials)) = &self.aws.of_group
            && of == account
        {
            return Ok(Some(credentials.clone()));
        }
        if let Some(credentials) = pool.credentials.get(account) {
            return Ok(Some(credentials.clone()));
        }
        let credentials = SharedCredentialsProvider::new(self.member_credentials(account).await?);
        pool.credentials.insert(account.clone(), credentials.clone());
        Ok(Some(credentials))
    }

    /// The member role's credentials, from STS in the function's own Region: they are valid in every other Region, and the
    /// member's own Region may not be enabled here.
    async fn member_credentials(&self, account: &AccountId) -> Result<AssumeRoleProvider, AwsError> {
        let no_role = || AwsError::not_sent("AssumeRole", "no PORTCULLIS_MEMBER_ROLE is set".to_owned());
        let role = self.aws.member_role.as_ref().ok_or_else(no_role)?;
        let arn = role.arn(&self.identity.partition, account);
        let mut provider = AssumeRoleProvider::builder(arn).configure(&self.aws.base).session_name("portcullis-guard");
        if let Some(id) = &role.external_id {
            provider = provider.external_id(id);
        }
        if self.aws.mode == Mode::Alert {
            // In other accounts too, alert mode cannot write, whatever the member role allows.
            provider = provider.policy(read_only(self.aws.imports_findings));
        }
        Ok(provider.build().await)
    }
}
