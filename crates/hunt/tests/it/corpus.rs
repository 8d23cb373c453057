//! Real records, where this machine has them: PORTCULLIS_TEST_RECORDS names their folder.

use std::path::PathBuf;
use std::sync::Arc;

use portcullis_domain::policy::Policy;
use portcullis_hunt::read::{Inputs, Tally, expand};
use portcullis_hunt::trail::Wanted;
use portcullis_hunt::world::World;

use crate::made::{only, rows};

fn world() -> Arc<World> {
    #[expect(clippy::disallowed_methods, reason = "a test's own setting")]
    let folder = PathBuf::from(std::env::var("PORTCULLIS_TEST_RECORDS").unwrap()).join("events");
    let (sources, errors) = expand(&[folder], None);
    assert_eq!(errors, Vec::<String>::new());
    let inputs = Inputs { sources, tally: Tally::default(), flow_format: None, as_of: None, threads: 2 };
    Arc::new(World::new(Arc::new(inputs), Wanted::default(), Policy::built_in()))
}

#[test]
#[ignore = "needs real records: PORTCULLIS_TEST_RECORDS"]
fn every_real_record_is_read_and_understood() {
    let world = world();
    let files = world.inputs.sources.iter().filter(|source| !source.is_copy).count();
    let count =
        rows(&world, "SELECT count(*) AS n, count(event_time) AS timed, count(user_name) AS named FROM events", &[]);
    assert_eq!(count[0]["n"], files, "one record a file");
    assert_eq!((&count[0]["timed"], &count[0]["named"]), (&count[0]["n"], &count[0]["n"]));
    assert_eq!(world.inputs.tally.totals().bad, 0);
    assert_eq!(world.knowledge().not_understood, Vec::<String>::new());
}

#[test]
#[ignore = "needs real records: PORTCULLIS_TEST_RECORDS"]
fn real_rules_and_interfaces_are_followed() {
    let world = world();
    let dangerous = rows(&world, "dangerous-rules", &[]);
    assert_eq!(only(&dangerous, &["guard", "source"]), ["ssh 0.0.0.0/0", "ssh 0.0.0.0/0"]);
    let flat = rows(&world, "SELECT from_port, source, closed_how FROM sg_rules WHERE closed_at IS NOT NULL", &[]);
    assert!(!flat.is_empty(), "a rule that was opened in the flat form is closed in it");
    assert!(rows(&world, "SELECT interface_id FROM interfaces", &[]).len() >= 4);
    assert_eq!(rows(&world, "denied", &[]).len(), 1);
}
