//! How many messages and calls a sweep of an organisation is. `PORTCULLIS_SCALE=1000,4,330` is a thousand accounts with four
//! Regions each, of which 330 have a port that stands open; docs/SCALE.md and the ADR are made of the figures.

use portcullis::config::{Accounts, MemberRole};

use super::*;
use crate::scale::{self, account};

const ROLE: &str = "PortcullisMember";

/// A sweep takes so long from its first place to its last.
const LASTS: Duration = Duration::from_secs(20 * 60);

/// Accounts, Regions, and places with a port that stands open.
fn size() -> [usize; 3] {
    scale::size([12, 4, 20])
}

struct Figures {
    messages: usize,
    reads: usize,
    writes: usize,
}

/// A whole sweep. Without the digest each place tells for itself.
async fn swept(watch: &Watch, queue: &str, has_digest: bool) -> Figures {
    let calls = |action: &str| watch.world.call_counts().get(action).copied().unwrap_or_default();
    let before = (watch.world.published().len(), calls("GetItem"), calls("UpdateItem"));
    watch.deliver(&json!({"sweep": {"regions": DEFAULT_REGIONS[..size()[1]]}})).await;
    let messages = watch.world.take_messages(queue);
    let (places, last): (Vec<_>, Vec<_>) = messages.into_iter().partition(|it| order(it).as_deref() != Some(TELL));
    let step = LASTS / u32::try_from(places.len()).unwrap();
    for place in &places {
        let mut place: Value = serde_json::from_str(place).unwrap();
        if !has_digest {
            place["sweep"].as_object_mut().unwrap().remove("digest");
        }
        let answer = watch.deliver(&sqs(&[place.to_string()])).await;
        assert!(answer.failed.is_empty(), "{:#?}", answer.findings);
        later(watch, step);
    }
    for last in last.iter().filter(|_| has_digest) {
        watch.deliver(&sqs(std::slice::from_ref(last))).await;
    }
    Figures {
        messages: watch.world.published().len() - before.0,
        reads: calls("GetItem") - before.1,
        writes: calls("UpdateItem") - before.2,
    }
}

#[tokio::test(start_paused = true)]
async fn an_organisation_is_told_in_a_few_messages() {
    let [accounts, regions, open] = size();
    let places = accounts * regions;
    for has_digest in [false, true] {
        let setup = || {
            let member_role = Some(MemberRole { name: ROLE.into(), external_id: None });
            let accounts = Accounts::Listed((0..accounts).map(|n| account(n).parse().unwrap()).collect());
            Setup { accounts, member_role, evidence: false, ..told() }
        };
        let mut watch = Box::pin(setup().start()).await;
        // The SDK compares the credentials' expiry with the machine's clock.
        watch.world.set_now(portcullis::now().as_millisecond());
        watch.world.set_records(false);
        let queue = watch.world.create_queue(ACCOUNT, REGION, "sweep");
        (1..accounts).for_each(|n| watch.world.allow_role(&account(n), ROLE, None));
        let world = watch.world.clone();
        let opens = |n: usize| {
            let (account, region) = (account(n % accounts), DEFAULT_REGIONS[n / accounts % regions]);
            let group = world.create_group(&account, region, &format!("g{n}"), Vpc::Other);
            world.authorize(&account, region, &group, &[Permission::tcp(22, EVERYONE)]).unwrap();
        };
        (0..open).for_each(opens);
        let mut messages = Vec::new();
        for what in ["the first", "an hour later", "ten places more", "a day later"] {
            if what == "ten places more" {
                (open..open + 10).for_each(opens);
            }
            // Sessions end after an hour.
            Box::pin(watch.start_anew(setup())).await;
            watch.context.settings.queue = Some(queue.clone());
            let Figures { messages: sent, reads, writes } = Box::pin(swept(&watch, &queue, has_digest)).await;
            println!(
                "{places} places, {open} open, digest {has_digest}, {what}: {sent} messages; {reads} GetItem, {writes} \
                 UpdateItem"
            );
            messages.push(sent);
            let hours = if what == "ten places more" { 23 } else { 1 };
            later(&watch, Duration::from_secs(hours * 3600) - LASTS);
        }
        if has_digest {
            // The first at once, one every five minutes while there is news, and what is left.
            assert!(messages[0] <= 6 && messages[2] <= 6, "{messages:?}");
            assert_eq!((messages[1], messages[3]), (0, 1));
        } else {
            // The ten were told 23 hours before.
            assert_eq!(messages, [open, 0, 10, open]);
        }
    }
}
