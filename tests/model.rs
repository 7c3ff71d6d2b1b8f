//! The revocation protocol, searched exhaustively with the code that ships. `docs/model.md` says what is modelled, what
//! is not, and what was found.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::string_slice
)]

#[path = "model/index.rs"]
mod index;
#[path = "model/isolate.rs"]
mod isolate;
#[path = "model/laws.rs"]
mod laws;
#[path = "model/mutations.rs"]
mod mutations;
#[path = "model/outcomes.rs"]
mod outcomes;
#[path = "model/rows.rs"]
mod rows;
#[path = "model/scenes.rs"]
mod scenes;
#[path = "model/steps.rs"]
mod steps;
#[path = "model/whole.rs"]
mod whole;
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

/// Searches a world in which a guard is broken until a law is as well. Gives that, and how many steps it took.
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

holds! { memory restart shared outbox crash widening pages two_shared loss expiry shards capacity
whole whole_shared whole_pages whole_capacity whole_loss }

#[test]
#[ignore = "takes long; docs/model.md has its figures"]
fn deep() {
    scenes::deep().into_iter().for_each(search);
}

#[test]
fn mutations_are_found() {
    for mutation in Mutation::HARMFUL {
        let found = breaks(mutation.scene());
        println!("{mutation:?}: {found:?}");
        assert!(found.is_some(), "{mutation:?} breaks nothing");
    }
}

#[test]
fn mutations_are_found_without_the_index() {
    for (mutation, scene) in Mutation::HARMFUL_ALONE {
        let found = breaks(Scene { mutation: Some(mutation), ..scene() });
        println!("{mutation:?}: {found:?}");
        assert!(found.is_some(), "{mutation:?} breaks nothing");
    }
}

#[test]
fn what_other_guards_stand_behind() {
    for mutation in Mutation::HARMLESS {
        assert_eq!(breaks(mutation.scene()), None, "{mutation:?}");
    }
}
