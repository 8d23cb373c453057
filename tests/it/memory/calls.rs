//! When the memory is asked: only where a port is exposed and the change has a part in it.

mod each;

use ec2_model::Call;

use super::*;

/// A call in a word, with the kind of item or object that it is about.
pub(super) fn word(call: &Call) -> String {
    let about = match call.service.as_str() {
        "dynamodb" => {
            let key = call.params.iter().find(|(name, _)| name.starts_with("Key")).map_or("", |(_, key)| key.as_str());
            let kind = key.split(['#', '/']).next().unwrap();
            if kind == ACCOUNT { " group".to_owned() } else { format!(" {kind}") }
        }
        "s3" => format!(" {}", call.param("Key").unwrap().split('/').next().unwrap()),
        _ => String::new(),
    };
    format!("{}{about}", call.action)
}

#[tokio::test(start_paused = true)]
async fn a_harmless_record_costs_no_call_a_safe_one_a_look_and_a_violation_two_calls_to_each() {
    let watch = remembering().start().await;
    let harmless = watch.open(&[Permission::tcp(443, EVERYONE)]);
    watch.finding(&harmless).await;
    assert!(watch.world.calls().is_empty());

    let safe = watch.open(&[Permission::tcp(22, "9.9.9.0/24")]);
    assert_eq!(judged(&watch.finding(&safe).await), (Verdict::Safe, Outcome::None));
    assert_eq!((watch.ec2_calls().len(), watch.memory_calls().len()), (1, 0));

    let violation = watch.open(&[Permission::tcp(22, EVERYONE)]);
    let finding = watch.finding(&violation).await;
    assert_eq!(judged(&finding), (Verdict::Exposed, Outcome::Reverted));
    assert_eq!((watch.ec2_calls().len() - 1, watch.memory_calls().len()), (2, 2), "{:?}", watch.world.calls());
    assert_eq!(finding.memory, None);
    let memory = memory(&watch);
    assert_eq!(memory.claims.len(), 0, "{memory:#?}");
    assert_eq!(memory.closed.keys().map(|id| id.as_str()).collect::<Vec<_>>(), [finding.rules[0].id.as_str()]);
    assert_eq!(memory.unreadable, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_claim_is_made_before_the_revoke_and_holds_what_was_seen() {
    let watch = remembering().start().await;
    let event = watch.open(&[Permission::tcp(22, EVERYONE)]);
    watch.world.deny(ACCOUNT, "RevokeSecurityGroupIngress");
    // The rules that were seen go when the claim is left standing; a crash before that leaves them.
    let calls = async {
        let finding = watch.finding(&event).await;
        assert_eq!(finding.outcome, Outcome::Failed);
    };
    calls.await;
    let order: Vec<String> = watch.world.calls().into_iter().map(|call| call.action).collect();
    let at = |action: &str| order.iter().position(|call| call == action).unwrap();
    assert!(at("UpdateItem") < at("RevokeSecurityGroupIngress"), "{order:?}");
    let claim = watch.world.calls().into_iter().find(|call| call.action == "UpdateItem").unwrap();
    let written = claim
        .params
        .iter()
        .find(|(name, value)| name.starts_with("ExpressionAttributeValues") && value.contains("saw"));
    assert!(written.is_some_and(|(_, value)| value.contains(EVERYONE)), "{:?}", claim.params);
}

#[tokio::test(start_paused = true)]
async fn alert_mode_asks_and_takes_nothing() {
    let watch = Setup { mode: Mode::Alert, ..remembering() }.start().await;
    let event = watch.open(&[Permission::tcp(22, EVERYONE)]);
    assert_eq!(judged(&watch.finding(&event).await), (Verdict::Exposed, Outcome::WouldRevert));
    assert_eq!((watch.ec2_calls().len(), watch.memory_calls().len()), (1, 2));
    assert_eq!(memory(&watch).closed.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_folder_remembers_as_a_table_does() {
    let folder = std::env::temp_dir().join(format!("portcullis-memory-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let setup = || Setup { memory: Store::Folder(folder.clone()), ..Setup::default() };
    let mut watch = setup().start().await;
    let halves = [11, 64].map(|first| watch.open(&blocks(first, 2)));
    assert_eq!(judged(&watch.finding(&halves[0]).await), (Verdict::Exposed, Outcome::None));
    watch.start_anew(setup()).await;
    assert_eq!(judged(&watch.finding(&halves[1]).await), (Verdict::Exposed, Outcome::Reverted));
    assert_eq!(watch.ingress().len(), 1);
    let file = folder.join(ACCOUNT).join(REGION).join(format!("{}.json", watch.group));
    let entries: Entries = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert!(Memory::read(&entries).closed.len() >= 3, "{entries:?}");
    std::fs::remove_dir_all(&folder).unwrap();
}
