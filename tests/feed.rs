//! Following the feed: what is remembered, how far it may be trusted, and how much it may be.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::time::Duration;

use edge_logout::revocation::feed::{Applied, Changes, FeedEntry, Follower, MEMORY};
use edge_logout::revocation::ledger::Since;
use edge_logout::revocation::{Digest, Scope};
use edge_logout::time::Timestamp;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn at(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

fn digest(name: u64) -> Digest {
    Digest::of("issuer", Scope::Subject, &name.to_string())
}

/// A whole answer with these versions, each the revocation of its own number.
fn page(after: u64, entries: &[u64], upto: u64) -> Changes {
    let entry = |version: &u64| FeedEntry(digest(*version), *version, None);
    Changes {
        epoch: "first".to_owned(),
        after,
        trimmed: 0,
        upto,
        oldest: entries.first().copied().unwrap_or(upto + 1),
        is_complete: true,
        whole_of: 0,
        entries: entries.iter().map(entry).collect(),
    }
}

fn part(page: Changes) -> Changes {
    Changes { is_complete: false, ..page }
}

fn trimmed(page: Changes, trimmed: u64, oldest: u64) -> Changes {
    Changes { trimmed, oldest, ..page }
}

fn begin(page: &Changes, seconds: u64) -> Follower {
    Follower::begin(page, at(seconds), at(seconds), 10).unwrap()
}

fn hear(follower: &mut Follower, changes: &Changes, seconds: u64) -> Applied {
    follower.apply(changes, at(seconds), at(seconds))
}

fn known(follower: &Follower) -> Vec<u64> {
    (0..100).filter(|name| follower.ends(&digest(*name), None)).collect()
}

#[test]
fn it_knows_what_it_was_told_and_as_of_when() {
    let mut follower = Follower::begin(&page(0, &[1, 2], 2), at(0), at(1), 10).unwrap();
    assert_eq!((known(&follower), follower.synced_at(), follower.floor()), (vec![1, 2], Some(at(0)), at(1)));
    assert_eq!(follower.since(), Since::Version("first".to_owned(), 2));
    assert_eq!(hear(&mut follower, &page(2, &[3], 3), 5), Applied::Fully);
    assert_eq!((known(&follower), follower.synced_at(), follower.floor()), (vec![1, 2, 3], Some(at(5)), at(1)));
    assert_eq!((follower.len(), follower.is_empty()), (3, false));
}

#[test]
fn a_cut_off_ends_what_was_issued_up_to_it_and_the_later_word_counts() {
    let cut_off = |version: u64, upto| FeedEntry(digest(7), version, upto);
    let mut changes = page(0, &[], 2);
    changes.entries = vec![cut_off(1, Some(at(0))), cut_off(2, Some(at(10)))];
    let mut follower = begin(&changes, 20);
    let ends = |follower: &Follower, issued_at| follower.ends(&digest(7), issued_at);
    assert!(ends(&follower, Some(at(10))) && !ends(&follower, Some(at(11))) && ends(&follower, None));
    changes.entries = vec![cut_off(1, Some(at(0)))];
    hear(&mut follower, &changes, 21);
    assert!(ends(&follower, Some(at(10))), "an older answer takes nothing back");
    changes.entries = vec![cut_off(3, None)];
    hear(&mut follower, &changes, 22);
    assert!(ends(&follower, Some(at(99))));
}

#[test]
fn it_is_not_in_step_before_the_last_page() {
    let mut follower = begin(&part(page(0, &[1, 2], 2)), 0);
    assert_eq!((follower.synced_at(), follower.since()), (None, Since::Start(2)));
    assert!(follower.ends(&digest(1), None), "but knows already what is in the first");
    assert_eq!(hear(&mut follower, &part(page(2, &[3, 4], 4)), 1), Applied::Partly);
    assert_eq!(hear(&mut follower, &page(4, &[5], 5), 2), Applied::Fully);
    assert_eq!((follower.synced_at(), follower.floor()), (Some(at(2)), at(2)), "the index counts from the last page");
}

#[test]
fn an_older_answer_that_is_whole_makes_the_first_page_no_newer() {
    let mut follower = begin(&part(page(0, &[1, 2], 2)), 60);
    assert_eq!(follower.apply(&page(0, &[], 0), at(50), at(61)), Applied::Fully);
    assert_eq!(follower.synced_at(), Some(at(50)), "what follows the first page was not heard");
}

/// What had one version when the shared answer was given has another one when a page is: neither tells it.
#[test]
fn what_others_share_does_not_end_the_reading_of_pages_unless_it_builds_on_what_was_heard_whole() {
    let starting = begin(&part(page(0, &[2], 2)), 60);
    let rest = page(1, &[], 1);
    assert!(starting.can_apply(&rest) && !starting.can_take_shared(&rest));
    assert!(starting.can_take_shared(&page(0, &[1], 1)));
    let mut follower = begin(&page(0, &[], 0), 0);
    assert!(follower.can_take_shared(&page(0, &[1], 1)) && !follower.can_take_shared(&rest));
    assert_eq!(hear(&mut follower, &part(page(0, &[2], 2)), 60), Applied::Partly);
    assert!(follower.can_apply(&rest) && !follower.can_take_shared(&rest));
    assert_eq!(hear(&mut follower, &page(2, &[3], 3), 60), Applied::Fully);
    assert!(follower.can_take_shared(&rest) && follower.can_take_shared(&page(3, &[4], 4)));
    assert!(!follower.can_take_shared(&trimmed(page(3, &[5], 5), 4, 5)));
}

#[test]
fn what_leaves_the_feed_while_it_is_first_read_is_no_gap() {
    let mut follower = begin(&part(page(0, &[1, 2], 2)), 0);
    assert_eq!(hear(&mut follower, &trimmed(page(2, &[9], 9), 8, 9), 1), Applied::Fully);
    assert_eq!((known(&follower), follower.floor()), (vec![1, 2, 9], at(1)));
}

#[test]
fn what_it_cannot_follow_is_a_gap() {
    let good = begin(&page(0, &[1, 2], 2), 0);
    let gap = |changes: &Changes| {
        let mut follower = good.clone();
        assert_eq!(hear(&mut follower, changes, 9), Applied::Gap, "{changes:?}");
        assert!(!follower.can_apply(changes) && follower == good, "nothing of it was taken");
    };
    gap(&page(3, &[4], 4));
    gap(&trimmed(page(2, &[5], 5), 3, 4));
    gap(&Changes { epoch: "second".to_owned(), ..page(0, &[1], 1) });
    assert_eq!(Follower::begin(&page(2, &[3], 3), at(0), at(0), 10), Err(Applied::Gap), "not the first page");
}

#[test]
fn an_answer_is_read_as_it_was_written_or_not_at_all() {
    let mut changes = trimmed(page(0, &[1, 2], 2), 7, 9);
    assert_eq!(Changes::read(&changes.write()), Some(changes.clone()));
    changes.entries[1].2 = Some(at(3));
    changes.epoch = "\"\\".to_owned();
    let text = changes.write();
    assert_eq!(Changes::read(&text), Some(changes));
    let empty = Changes { entries: vec![], ..part(page(0, &[], 0)) };
    assert_eq!(Changes::read(&empty.write()), Some(empty));
    let digest = digest(1).text();
    for (is, made) in [
        (digest.clone(), "of a later version of this service".to_owned()),
        (format!("{digest} 1"), digest.clone()),
        (format!("{digest} 1"), format!("{digest} -1")),
        (format!("{digest} 1"), format!("{digest} 1 1 1")),
        (format!("{digest} 1"), format!("{digest} 1 soon")),
        ("\"upto\":2".to_owned(), "\"upto\":2.5".to_owned()),
        ("\"upto\":2".to_owned(), "\"after\":2".to_owned()),
    ] {
        let broken = text.replace(&is, &made);
        assert!(broken != text && Changes::read(&broken).is_none(), "{broken}");
    }
}

#[test]
fn what_left_the_feed_is_remembered_as_long_as_answers_of_the_index_count() {
    let mut follower = begin(&page(0, &[1, 2, 3], 3), 0);
    hear(&mut follower, &trimmed(page(3, &[], 3), 2, 3), 10);
    let just_before = 10 + MEMORY.as_secs() - 1;
    hear(&mut follower, &trimmed(page(3, &[], 3), 2, 3), just_before);
    assert_eq!((known(&follower), follower.floor()), (vec![1, 2, 3], at(0)));
    hear(&mut follower, &trimmed(page(3, &[], 3), 2, 3), just_before + 1);
    assert_eq!((known(&follower), follower.floor()), (vec![3], at(10)), "from then on the index has to know it");
}

#[test]
fn what_is_back_in_the_feed_is_not_forgotten() {
    let mut follower = begin(&page(0, &[1, 2], 2), 0);
    let again = Changes { entries: vec![FeedEntry(digest(1), 3, None)], ..page(2, &[3], 3) };
    hear(&mut follower, &trimmed(again, 2, 3), 10);
    hear(&mut follower, &trimmed(page(3, &[], 3), 2, 3), 10 + MEMORY.as_secs());
    assert_eq!(known(&follower), [1]);
}

#[test]
fn too_much_is_told_and_what_left_the_feed_goes_first() {
    let ten: Vec<_> = (1..=10).collect();
    let mut follower = begin(&page(0, &ten, 10), 0);
    assert_eq!(hear(&mut follower.clone(), &trimmed(page(10, &[11], 11), 0, 1), 1), Applied::TooLarge);
    assert_eq!(hear(&mut follower, &trimmed(page(10, &[11], 11), 4, 5), 1), Applied::Fully);
    assert_eq!((known(&follower), follower.floor()), ((5..=11).collect(), at(1)), "forgotten early, and it says so");
    let eleven: Vec<_> = (1..=11).collect();
    assert_eq!(Follower::begin(&page(0, &eleven, 11), at(0), at(0), 10), Err(Applied::TooLarge));
}

#[test]
fn an_answer_that_comes_late_takes_nothing_back() {
    let mut follower = begin(&page(0, &[1], 1), 0);
    hear(&mut follower, &page(1, &[2, 3], 3), 10);
    assert_eq!(follower.apply(&page(1, &[2], 2), at(5), at(11)), Applied::Fully);
    assert_eq!((follower.synced_at(), follower.since()), (Some(at(10)), Since::Version("first".to_owned(), 3)));
    assert_eq!(known(&follower), [1, 2, 3]);
}
