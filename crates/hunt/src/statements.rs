//! The statements for Athena, from what the command line says. Nothing that is given may be more than what it is called.

use portcullis_delivery::flowlog::{Field, Format};
use portcullis_domain::ids::{AccountId, Region};
use portcullis_hunt::ddl::{self, FlowFolders, Layout, Place};

use crate::arguments::Arguments;
use crate::run::Trouble;

/// The format of the flow logs.
pub(crate) fn flow_format(arguments: &Arguments) -> Result<Format, Trouble> {
    let format = arguments.flow_format.as_deref().map_or_else(|| Ok(Format::default_v2()), Format::parse);
    let format = format.map_err(|error| Trouble::Asked(format!("--flow-format: {error}")))?;
    match format.has(Field::Start) && format.has(Field::End) {
        true => Ok(format),
        false => Err(Trouble::Asked("--flow-format: the view flow_logs needs ${start} and ${end}".to_owned())),
    }
}

/// The folders of the flow logs.
pub(crate) const fn flow_folders(arguments: &Arguments) -> FlowFolders {
    FlowFolders { hive: arguments.hive_compatible_partitions, hours: arguments.per_hour_partition }
}

fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./=".contains(c))
}

fn location(option: &str, text: &str) -> Result<String, Trouble> {
    match text.strip_prefix("s3://").is_some_and(|rest| !rest.is_empty() && is_plain(rest)) {
        true => Ok(text.to_owned()),
        false => {
            let expected = "expected s3://bucket/prefix, up to AWSLogs and without it";
            Err(Trouble::Asked(format!("{option} {text}: {expected}")))
        }
    }
}

pub(crate) fn of(place: &str, arguments: &Arguments) -> Result<String, Trouble> {
    let asked = |why: String| Trouble::Asked(why);
    let own = location("--ddl", place)?;
    if arguments.accounts.is_empty() || arguments.regions.is_empty() {
        return Err(asked("--ddl needs --accounts and --regions: Athena finds the partitions by them".to_owned()));
    }
    for account in &arguments.accounts {
        AccountId::parse(account).map_err(|error| asked(format!("--accounts: {error}")))?;
    }
    for region in &arguments.regions {
        Region::parse(region).map_err(|error| asked(format!("--regions: {error}")))?;
    }
    if let Some(id) = arguments.organisation.as_ref().filter(|id| !id.starts_with("o-") || !is_plain(id)) {
        return Err(asked(format!("--organisation {id}: expected o- and letters and digits")));
    }
    let layout = match &arguments.organisation {
        Some(id) if arguments.control_tower => Layout::ControlTower(id.clone()),
        Some(id) => Layout::Organisation(id.clone()),
        None => Layout::Account,
    };
    let flow_location = arguments.flow_location.as_deref().map(|place| location("--flow-location", place));
    Ok(ddl::statements(&Place {
        flow_location: flow_location.transpose()?.unwrap_or_else(|| own.clone()),
        location: own,
        layout,
        accounts: arguments.accounts.clone(),
        regions: arguments.regions.clone(),
        since: "2020/01/01".to_owned(),
        flow_format: flow_format(arguments)?,
        flow_files: arguments.flow_files,
        flow_folders: flow_folders(arguments),
    }))
}
