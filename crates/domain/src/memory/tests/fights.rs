use super::*;

const ALICE: &str = "arn:aws:iam::111122223333:role/alice";
const BOB: &str = "arn:aws:iam::111122223333:role/bob";

/// What is told of closes at these minutes by these actors.
fn tellings(closes: impl IntoIterator<Item = (i64, &'static str)>) -> Vec<Telling> {
    let mut fight = Fight::default();
    let mut told = Vec::new();
    for (minute, actor) in closes {
        fight.note(Close { at: after(minute), actor: Some(actor), user_agent: None });
        let telling = tell(&fight, after(minute));
        if telling != Telling::Silent {
            fight.note_told(after(minute));
        }
        told.push(telling);
    }
    told
}

#[test]
fn the_first_close_is_told_and_the_third_as_a_fight() {
    use Telling::{Digest, Escalate, Now, Silent};
    let closes = tellings((0..8).map(|n| (n, ALICE)));
    assert_eq!(closes, [Now, Silent, Escalate, Silent, Silent, Digest, Silent, Silent]);
}

#[test]
fn a_close_a_minute_for_a_day_is_told_at_most_fifteen_times() {
    let told = tellings((0..24 * 60).map(|minute| (minute, ALICE)));
    assert_eq!(told.len(), 1440);
    let told: Vec<Telling> = told.into_iter().filter(|telling| *telling != Telling::Silent).collect();
    assert!((10..=15).contains(&told.len()), "{told:?}");
}

#[test]
fn while_a_fight_lasts_it_is_told_every_six_hours() {
    use Telling::{Digest, Escalate, Now, Silent};
    let closes = [0, 60, 120, 180, 240, 480, 481].map(|minute| (minute, ALICE));
    assert_eq!(tellings(closes), [Now, Silent, Escalate, Silent, Silent, Digest, Silent]);
}

#[test]
fn a_new_actor_is_told_whatever_was_told_before() {
    use Telling::{Digest, Escalate, Now, Silent};
    let closes = [(0, ALICE), (1, BOB), (2, ALICE), (3, ALICE), (4, "arn:aws:iam::1:role/c"), (5, BOB)];
    assert_eq!(tellings(closes), [Now, Now, Escalate, Silent, Digest, Silent]);
}

#[test]
fn closes_far_apart_are_told_one_by_one_and_on_three_days_of_a_week_as_a_fight() {
    use Telling::{Escalate, Now};
    let day = 24 * 60 + 60;
    assert_eq!(tellings([0, day, 2 * day].map(|minute| (minute, ALICE))), [Now, Now, Escalate]);
    let weekly = 8 * 24 * 60;
    assert_eq!(tellings([0, weekly, 2 * weekly].map(|minute| (minute, ALICE))), [Now, Now, Now]);
}

#[test]
fn a_fight_that_begins_again_days_later_counts_anew() {
    let mut fight = Fight::default();
    let close = |minute| Close { at: after(minute), actor: Some(ALICE), user_agent: None };
    (0..100).for_each(|minute| fight.note(close(minute)));
    fight.note_told(after(100));
    assert_eq!((fight.count, fight.since), (100, Some(now())));
    fight.note(close(3 * 24 * 60));
    assert_eq!((fight.count, fight.since), (1, Some(after(3 * 24 * 60))));
    assert_eq!(tell(&fight, after(3 * 24 * 60)), Telling::Now);
}

#[test]
fn a_fight_keeps_some_times_and_some_actors() {
    let mut fight = Fight::default();
    let actors: Vec<String> = (0..100).map(|n| format!("arn:aws:iam::111122223333:role/{n}")).collect();
    for (minute, actor) in (0..).zip(&actors) {
        fight.note(Close { at: after(minute * 2), actor: Some(actor), user_agent: Some("curl") });
    }
    assert_eq!((fight.count, fight.times.len(), fight.actors.len()), (100, 16, 8));
    assert_eq!(fight.cadence(), Some(SignedDuration::from_mins(2)));
    assert_eq!(fight.tool, None);
}

#[test]
fn a_tool_is_known_by_its_user_agent() {
    for (user_agent, tool) in [
        ("APN/1.0 HashiCorp/1.0 Terraform/1.1.2 (+https://www.terraform.io)", Some(Tool::Terraform)),
        ("cloudformation.amazonaws.com", Some(Tool::CloudFormation)),
        ("aws-sdk-go-v2/1.36.3 ua/2.1 elbv2.k8s.aws/v2.13.4 m/C,E", Some(Tool::LoadBalancerController)),
        ("aws-cli/2.13.5 Python/3.11.4", None),
        ("", None),
    ] {
        assert_eq!(Tool::of(user_agent), tool, "{user_agent}");
    }
}
