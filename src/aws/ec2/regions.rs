//! The Regions that are enabled in an account: DescribeRegions.

use portcullis_domain::ids::{AccountId, Region};

use crate::aws::{AccountRegion, AwsError, Session, within};

const DESCRIBE_REGIONS: &str = "DescribeRegions";

impl Session<'_> {
    /// The Regions that are enabled in an account. The question goes to the function's own Region.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn regions(&self, account: &AccountId) -> Result<Vec<Region>, AwsError> {
        let home = AccountRegion { account: account.clone(), region: self.identity.region.clone() };
        let read = async {
            let answer = self.ec2(&home).await?.describe_regions().send().await;
            let answer = answer.map_err(|error| AwsError::from_sdk(DESCRIBE_REGIONS, &error))?;
            let names = answer.regions().iter().map(|region| region.region_name().unwrap_or_default());
            let parsed =
                names.map(|name| Region::parse(name).map_err(|error| AwsError::bad_answer(DESCRIBE_REGIONS, &error)));
            parsed.collect()
        };
        within(self.until, DESCRIBE_REGIONS, read).await
    }
}
