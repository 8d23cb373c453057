//! The message of a sweep: what is open and what is new, told when something changed and once a day else.

use ec2_model::Fault;
use portcullis::domain::finding::{MemoryState, SweepFinding};
use serde_json::json;

use super::*;

fn told() -> Setup {
    Setup { topic: true, ..remembering() }
}

/// Sweeps with an instance of its own: the summary, and the mail where one is sent.
async fn swept(watch: &mut Watch) -> (Finding, SweepFinding, Option<String>) {
    let before = watch.world.published().len();
    watch.start_anew(told()).await;
    let mut answer = watch.deliver(&json!({"sweep": {"accounts": [ACCOUNT], "regions": [REGION]}})).await;
    let finding = answer.findings.pop().unwrap();
    let published = watch.world.published().split_off(before);
    assert!(published.len() <= 1, "one message for a sweep");
    let mail = published.first().map(|message| {
        let texts: Value = serde_json::from_str(&message.message).unwrap();
        texts["email"].as_str().unwrap().to_owned()
    });
    let sweep = finding.sweep.clone().unwrap();
    (finding, sweep, mail)
}

fn hour(watch: &Watch) {
    later(watch, Duration::from_secs(3600));
}

#[tokio::test(start_paused = true)]
async fn a_week_of_hourly_sweeps_that_find_the_same_sends_seven_messages() {
    let mut watch = told().start().await;
    watch.open(&[Permission::tcp(22, EVERYONE)]);
    let mut told_at = Vec::new();
    for n in 0..7 * 24 {
        told_at.extend(swept(&mut watch).await.2.map(|_| n));
        hour(&watch);
    }
    assert_eq!(told_at, [0, 24, 48, 72, 96, 120, 144]);
}

#[tokio::test(start_paused = true)]
async fn a_sweep_names_each_open_group_with_name_port_source_and_since_when_and_the_new_ones_first() {
    let mut watch = told().start().await;
    watch.open(&[Permission::tcp(22, EVERYONE), Permission::tcp(22, "::/0")]);
    let web = format!("{ACCOUNT} {REGION} {} (web): tcp 22 (ssh) from 0.0.0.0/0, ::/0", watch.group);
    let (_, sweep, mail) = swept(&mut watch).await;
    assert_eq!(
        (sweep.open.as_slice(), sweep.new),
        ([web.clone()].as_slice(), None),
        "the first cannot tell what is new"
    );
    assert!(mail.unwrap().contains(&format!("\nOpen\n  {web}\n")));
    let since = watch.context.now();
    hour(&watch);
    let (_, sweep, mail) = swept(&mut watch).await;
    assert_eq!((sweep.open.as_slice(), sweep.new), ([format!("{web}, seen since {since}")].as_slice(), Some(0)));
    assert_eq!(mail, None);

    let other = watch.world.create_group(ACCOUNT, REGION, "zoo", Vpc::Other);
    watch.world.authorize(ACCOUNT, REGION, &other, &[Permission::tcp(3389, "9.0.0.0/7")]).unwrap();
    hour(&watch);
    let (_, sweep, mail) = swept(&mut watch).await;
    let zoo = format!("{ACCOUNT} {REGION} {other} (zoo): tcp 3389 (rdp) from 8.0.0.0/7, new");
    assert_eq!(
        (sweep.open.as_slice(), sweep.new),
        ([zoo.clone(), format!("{web}, seen since {since}")].as_slice(), Some(1))
    );
    let mail = mail.expect("it is told at once");
    assert!(mail.contains(&format!("\nOpen\n  {zoo}\n  {web}, seen since {since}\n")), "{mail}");
    assert!(mail.contains(", 1 new since the last sweep\n"), "{mail}");

    // A further port of a group that is open already is new as well, and so are further sources, though not the port.
    watch.open(&[Permission::tcp(3389, EVERYONE)]);
    hour(&watch);
    let (_, sweep, mail) = swept(&mut watch).await;
    assert_eq!(sweep.new, Some(1));
    assert!(sweep.open[0].ends_with("; tcp 3389 (rdp) from 0.0.0.0/0, new"), "{:?}", sweep.open);
    assert!(mail.is_some());
    watch.world.authorize(ACCOUNT, REGION, &other, &[Permission::tcp(3389, EVERYONE)]).unwrap();
    hour(&watch);
    let (_, sweep, mail) = swept(&mut watch).await;
    assert_eq!((sweep.new, mail.is_some()), (Some(0), true));
    hour(&watch);
    assert_eq!(swept(&mut watch).await.2, None);
}

#[tokio::test(start_paused = true)]
async fn what_is_closed_is_told_and_new_when_it_is_open_again() {
    let mut watch = told().start().await;
    watch.open(&[Permission::tcp(22, EVERYONE)]);
    let other = watch.world.create_group(ACCOUNT, REGION, "zoo", Vpc::Other);
    watch.world.authorize(ACCOUNT, REGION, &other, &[Permission::tcp(22, EVERYONE)]).unwrap();
    swept(&mut watch).await;
    let rules = watch.world.rules(ACCOUNT, REGION, &other).into_iter();
    let open: Vec<String> = rules.filter(|rule| rule.from_port == 22).map(|rule| rule.id).collect();
    watch.world.revoke(ACCOUNT, REGION, &other, &[&open[0]]).unwrap();
    hour(&watch);
    let (_, sweep, mail) = swept(&mut watch).await;
    assert_eq!((sweep.open.len(), sweep.new, mail.is_some()), (1, Some(0), true));
    watch.world.authorize(ACCOUNT, REGION, &other, &[Permission::tcp(22, EVERYONE)]).unwrap();
    hour(&watch);
    let (_, sweep, mail) = swept(&mut watch).await;
    assert_eq!((sweep.open.len(), sweep.new, mail.is_some()), (2, Some(1), true));
}

#[tokio::test(start_paused = true)]
async fn of_more_groups_than_a_summary_names_the_new_one_is_named() {
    let mut watch = told().start().await;
    for n in 0..60 {
        let group = watch.world.create_group(ACCOUNT, REGION, &format!("g{n}"), Vpc::Other);
        watch.world.authorize(ACCOUNT, REGION, &group, &[Permission::tcp(22, EVERYONE)]).unwrap();
    }
    swept(&mut watch).await;
    hour(&watch);
    assert_eq!(swept(&mut watch).await.2, None, "the order of the groups is no news");
    watch.open(&[Permission::tcp(22, EVERYONE)]);
    hour(&watch);
    let (_, sweep, mail) = swept(&mut watch).await;
    assert_eq!((sweep.open.len(), sweep.exposed, sweep.new), (50, 61, Some(1)));
    assert!(sweep.open[0].contains(&watch.group), "{:?}", sweep.open);
    assert!(mail.unwrap().contains(&watch.group));
}

#[tokio::test(start_paused = true)]
async fn a_memory_that_is_lost_tells_each_sweep() {
    let mut watch = told().start().await;
    watch.open(&[Permission::tcp(22, EVERYONE)]);
    swept(&mut watch).await;
    watch.world.deny(ACCOUNT, "GetItem");
    for _ in 0..3 {
        hour(&watch);
        let (finding, sweep, mail) = swept(&mut watch).await;
        assert_eq!((finding.memory, sweep.new, mail.is_some()), (Some(MemoryState::Unavailable), None, true));
        assert_eq!(sweep.open.len(), 1);
    }
    watch.world.delete_table(ACCOUNT, REGION, TABLE);
    hour(&watch);
    assert!(swept(&mut watch).await.2.is_some());
}

/// The first read is that of the list of openings, the second that of the group, the third that of the last sweep.
#[tokio::test(start_paused = true)]
async fn every_fault_of_a_read_leaves_the_summary_whole_and_a_sweep_that_knows_nothing_is_told() {
    for (what, kind) in lost::kinds() {
        for nth in [0, 1, 2] {
            let mut watch = told().start().await;
            watch.open(&[Permission::tcp(22, EVERYONE)]);
            swept(&mut watch).await;
            hour(&watch);
            watch.world.inject(Fault { action: Some("GetItem".into()), nth, kind: kind.clone() });
            let (finding, sweep, mail) = swept(&mut watch).await;
            assert_eq!((sweep.open.len(), sweep.exposed, finding.needs_retry()), (1, 1, false), "{what} {nth}");
            assert_eq!(mail.is_some(), nth == 2, "{what} {nth}");
            assert_eq!(finding.memory, (nth == 2).then_some(MemoryState::Unavailable), "{what} {nth}");
        }
    }
}

/// What cannot be written is told again: twice rather than never.
#[tokio::test(start_paused = true)]
async fn a_memory_that_cannot_be_written_tells_each_sweep() {
    let mut watch = told().start().await;
    watch.open(&[Permission::tcp(22, EVERYONE)]);
    watch.world.deny(ACCOUNT, "UpdateItem");
    for _ in 0..3 {
        hour(&watch);
        assert!(swept(&mut watch).await.2.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn a_sweep_whose_message_was_not_published_is_told_with_the_next() {
    let mut watch = told().start().await;
    watch.open(&[Permission::tcp(22, EVERYONE)]);
    watch.world.deny(ACCOUNT, "Publish");
    assert_eq!(swept(&mut watch).await.2, None);
    watch.world.permit(ACCOUNT, "Publish");
    hour(&watch);
    assert!(swept(&mut watch).await.2.is_some(), "nobody has heard of it yet");
    hour(&watch);
    assert_eq!(swept(&mut watch).await.2, None, "and once is enough");
}
