//! The protocol of revocations, searched exhaustively with the code that ships. `docs/explanation/model.md` says what
//! is modelled and what is not.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::collapsible_match,
    clippy::needless_for_each,
    clippy::struct_excessive_bools,
    clippy::type_complexity,
    clippy::unused_self
)]

#[path = "model/isolate.rs"]
mod isolate;
#[path = "model/kv.rs"]
mod kv;
#[path = "model/laws.rs"]
mod laws;
#[path = "model/mutations.rs"]
mod mutations;
#[path = "model/reached.rs"]
mod reached;
#[path = "support/rows.rs"]
mod rows;
#[path = "model/scenes.rs"]
mod scenes;
#[path = "model/shard.rs"]
mod shard;
#[path = "model/steps.rs"]
mod steps;
#[path = "model/tables.rs"]
mod tables;
#[path = "model/world.rs"]
mod world;

use mutations::Mutation;
use stateright::{Checker, HasDiscoveries, Model};
use world::Scene;

/// Searches all of a world. Every law must hold in it, and everything must be seen that gives the laws a meaning.
fn search(scene: Scene) {
    let (name, sights) = (scene.name, scene.sights.clone());
    let checker = scene.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let (states, steps, depth) = (checker.unique_state_count(), checker.state_count(), checker.max_depth());
    println!("{name}: {states} states, {steps} steps, depth {depth}");
    for law in checker.model().properties() {
        let found = checker.discovery(law.name).map(stateright::Path::into_actions);
        if sights.iter().any(|(sight, _)| *sight == law.name) {
            assert!(found.is_some(), "{name}: never seen: {}", law.name);
        } else {
            assert!(found.is_none(), "{name}: {} does not hold: {found:#?}", law.name);
        }
    }
}

/// Searches a world in which a rule is broken until a law is as well. Gives that, and how many steps it took.
fn breaks(scene: Scene) -> Option<(&'static str, usize)> {
    let checker = scene.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let found = checker.discoveries().into_iter().map(|(law, path)| (law, path.into_actions().len()));
    found.min_by_key(|(law, steps)| (*steps, *law))
}

macro_rules! holds {
    ($($scene:ident)*) => {
        mod holds {
            $(#[test]
            fn $scene() {
                super::search(super::scenes::$scene());
            })*
        }
    };
}

holds! { strong remembered merges restore restore_check restore_sealed repeats crash pages filters
shared shared_sealed clocks outbox outbox_crash expiry import import_alone shards layout }

#[test]
#[ignore = "takes long; docs/explanation/model.md says what it searches"]
fn deep() {
    scenes::deep().into_iter().for_each(search);
    are_found(&Mutation::DEEP);
}

fn are_found(mutations: &[(Mutation, fn() -> Scene)]) {
    for (mutation, scene) in mutations {
        let found = breaks(Scene { mutation: Some(*mutation), ..scene() });
        println!("{mutation:?}: {found:?}");
        assert!(found.is_some(), "{mutation:?} breaks nothing");
    }
}

#[test]
fn mutations_are_found() {
    are_found(&Mutation::HARMFUL);
}

#[test]
fn what_other_rules_stand_behind() {
    for (mutation, scene) in Mutation::HARMLESS {
        let scene = Scene { mutation: Some(mutation), ..scene() };
        // Without its rule an isolate may ask again and again.
        let checker = scene.checker().threads(2).target_max_depth(18).finish_when(HasDiscoveries::AnyFailures);
        let checker = checker.spawn_bfs().join();
        let found: Vec<_> = checker.discoveries().into_keys().collect();
        println!("{mutation:?}: {} states, {found:?}", checker.unique_state_count());
        assert!(found.is_empty(), "{mutation:?}: {found:?}");
    }
}
