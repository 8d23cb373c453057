//! A memory that is lost, throttled, denied, slow or full never delays or prevents a close, and the finding says so.

use ec2_model::{Fault, FaultKind};
use portcullis::domain::finding::MemoryState;

use super::*;

pub(crate) fn kinds() -> Vec<(&'static str, FaultKind)> {
    let error = |status, code: &str| (status, code.to_owned(), "injected".to_owned());
    let before = |(status, code, message)| FaultKind::ErrorBefore { status, code, message };
    let after = |(status, code, message)| FaultKind::ErrorAfter { status, code, message };
    vec![
        ("throttle", FaultKind::Throttle),
        ("denied", FaultKind::Denied),
        ("expired", FaultKind::ExpiredCredentials),
        ("lost before", FaultKind::LostBefore),
        ("lost after", FaultKind::LostAfter),
        ("cut", FaultKind::Cut),
        ("malformed", FaultKind::MalformedXml),
        ("slow", FaultKind::Slow(Duration::from_secs(20))),
        ("5xx before", before(error(500, "InternalServerError"))),
        ("5xx after", after(error(500, "InternalServerError"))),
        ("full", before(error(400, "ValidationException"))),
    ]
}

#[tokio::test(start_paused = true)]
async fn every_fault_of_the_claim_leaves_the_close_as_it_is_without_memory() {
    for (what, kind) in kinds() {
        let watch = remembering().start().await;
        let event = watch.open(&[Permission::tcp(22, EVERYONE)]);
        watch.world.inject(Fault::next("UpdateItem", kind));
        let begun = tokio::time::Instant::now();
        let finding = watch.finding(&event).await;
        assert_eq!(judged(&finding), (Verdict::Exposed, Outcome::Reverted), "{what}: {finding:#?}");
        assert_eq!(finding.memory, Some(MemoryState::Unavailable), "{what}");
        assert!(begun.elapsed() <= Duration::from_millis(310), "{what}: {:?}", begun.elapsed());
        assert!(watch.ingress().is_empty(), "{what}");
        assert_eq!(watch.ec2_calls().len(), 2, "{what}");
        let lines = watch.lines.lock().unwrap().join("\n");
        assert!(lines.contains("\"MemoryUnavailable\":1"), "{what}: {lines}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_fault_of_the_settling_changes_nothing_that_was_done_or_said() {
    for (what, kind) in kinds() {
        let mut watch = remembering().start().await;
        let event = watch.open(&[Permission::tcp(22, EVERYONE)]);
        watch.world.inject(Fault { action: Some("UpdateItem".into()), nth: 1, kind });
        let answer = watch.deliver(&event).await;
        assert_eq!(judged(&answer.findings[0]), (Verdict::Exposed, Outcome::Reverted), "{what}");
        assert!(answer.failed.is_empty(), "{what}");
        assert_eq!(answer.findings[0].memory, None, "{what}");
        // The claim may be there still. It takes nothing that is lawful, and the next change is judged as ever.
        later(&watch, Duration::from_secs(60));
        let lawful = watch.open(&[Permission::tcp(22, "9.9.9.0/24")]);
        assert_eq!(judged(&alone(&mut watch, &lawful).await), (Verdict::Safe, Outcome::None), "{what}");
        let again = watch.open(&[Permission::tcp(22, EVERYONE)]);
        assert_eq!(judged(&alone(&mut watch, &again).await), (Verdict::Exposed, Outcome::Reverted), "{what}");
        assert_eq!(watch.ingress(), ["tcp 22-22 9.9.9.0/24"], "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_table_that_is_gone_is_no_reason_to_wait() {
    let watch = remembering().start().await;
    watch.world.delete_table(ACCOUNT, REGION, TABLE);
    let event = watch.open(&[Permission::tcp(22, EVERYONE)]);
    let finding = watch.finding(&event).await;
    assert_eq!(
        (judged(&finding), finding.memory),
        ((Verdict::Exposed, Outcome::Reverted), Some(MemoryState::Unavailable))
    );
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_cannot_be_written_is_no_reason_to_wait() {
    let file = std::env::temp_dir().join(format!("portcullis-no-folder-{}", std::process::id()));
    std::fs::write(&file, "a file").unwrap();
    let watch = Setup { memory: Store::Folder(file.clone()), ..Setup::default() }.start().await;
    let event = watch.open(&[Permission::tcp(22, EVERYONE)]);
    let finding = watch.finding(&event).await;
    assert_eq!(
        (judged(&finding), finding.memory),
        ((Verdict::Exposed, Outcome::Reverted), Some(MemoryState::Unavailable))
    );
    std::fs::remove_file(&file).unwrap();
}

#[tokio::test(start_paused = true)]
async fn without_memory_everything_is_told() {
    let watch = Setup { topic: true, ..Setup::default() }.start().await;
    for n in 1..=5 {
        let event = watch.open(&[Permission::tcp(22, EVERYONE)]);
        assert_eq!(watch.finding(&event).await.outcome, Outcome::Reverted);
        assert_eq!(watch.world.published().len(), n);
    }
}
