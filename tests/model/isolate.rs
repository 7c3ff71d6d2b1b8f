//! What an isolate does with answers of the feed, and what its memory says: the decisions of `src/revocation/memory.rs`.

use edge_logout::revocation::Digest;
use edge_logout::revocation::feed::{Applied, Changes, Follower, MEMORY};
use edge_logout::revocation::ledger::Since;
use edge_logout::time::Timestamp;

use crate::mutations::Mutation;
use crate::world::{Feed, Isolate, Says, Scene, Token, World};

impl Feed {
    /// What to ask for next.
    pub fn since(&self) -> Since {
        self.follower.as_ref().map_or(Since::Start(0), Follower::since)
    }

    /// Whether an answer may be taken that another isolate shares.
    pub fn leads_on(&self, scene: &Scene, changes: &Changes) -> bool {
        let changes = &self.misread(scene, changes.clone());
        changes.is_complete
            && self.follower.as_ref().map_or(changes.after == 0, |follower| follower.can_take_shared(changes))
    }

    /// Takes in an answer. Gives whether the feed is known to its end now.
    pub fn take(&mut self, scene: &Scene, changes: Changes, asked_at: Timestamp, now: Timestamp) -> bool {
        let is_whole = self.take_in(scene, changes, asked_at, now);
        let follower = self.follower.as_ref();
        let ends =
            |token: &Token| token.keys.iter().any(|key| follower.is_some_and(|follower| ends(follower, token, key)));
        self.ends = scene.tokens.iter().map(ends).collect();
        is_whole
    }

    fn take_in(&mut self, scene: &Scene, changes: Changes, asked_at: Timestamp, now: Timestamp) -> bool {
        let is = |mutation| scene.mutation == Some(mutation);
        let changes = self.misread(scene, changes);
        let asked_at = if is(Mutation::SyncedWhenReceived) { now } else { asked_at };
        let applied = self.follower.as_mut().map(|follower| follower.apply(&changes, asked_at, now));
        let applied = match applied {
            Some(applied @ (Applied::Fully | Applied::Partly)) => applied,
            Some(Applied::TooLarge) => return self.give_up(),
            Some(Applied::Gap) | None => {
                self.has_gap = applied.is_some();
                let heard_at = if is(Mutation::FloorIsWhenAsked) { asked_at } else { now };
                match Follower::begin(&changes, asked_at, heard_at, scene.capacity) {
                    Ok(follower) => {
                        self.begun_at = Some(heard_at);
                        self.follower = Some(follower);
                        Applied::Fully
                    }
                    Err(Applied::TooLarge) => return self.give_up(),
                    Err(refused) => {
                        self.follower = None;
                        refused
                    }
                }
            }
        };
        applied == Applied::Fully && self.follower.as_ref().is_some_and(|follower| follower.synced_at().is_some())
    }

    /// Whether it says all that is revoked, and nobody else need be asked.
    pub fn is_whole(&self, scene: &Scene) -> bool {
        let is_whole = |follower: &Follower| follower.synced_at().is_some() && follower.whole_of() == scene.shards;
        scene.sole_writer.is_some() && self.follower.as_ref().is_some_and(is_whole)
    }

    fn give_up(&mut self) -> bool {
        self.follower = None;
        false
    }

    /// An answer as a mutation understands it.
    fn misread(&self, scene: &Scene, changes: Changes) -> Changes {
        match scene.mutation {
            Some(Mutation::GapsAreIgnored) => Changes { after: 0, trimmed: 0, ..changes },
            Some(Mutation::AnyPageBegins) if self.follower.is_none() => Changes { after: 0, ..changes },
            Some(Mutation::AlwaysWhole) => Changes { whole_of: scene.shards, ..changes },
            Some(Mutation::ForgottenWhileInTheFeed) => Changes { oldest: changes.upto + 1, ..changes },
            _ => changes,
        }
    }
}

impl Isolate {
    /// What memory alone says.
    pub fn says(&self, scene: &Scene, index: usize, world: &World) -> Says {
        let token = &scene.tokens[index];
        if token.keys.iter().any(|key| self.ends(scene, token, key)) {
            return Says::Revoked;
        }
        let for_ever =
            matches!(scene.mutation, Some(Mutation::AnswersOfTheIndexNeverAge | Mutation::NeitherAgeNorFloor));
        // An index that is never written knows nothing whenever it is asked.
        let asked_at = if scene.index_works { self.asked[index] } else { Some(world.now) };
        let asked_at = asked_at.filter(|asked_at| for_ever || asked_at.plus(MEMORY) > world.now);
        let heard = token.keys.iter().map(|key| {
            let feed = &self.feeds[scene.shard_of(key)];
            let follower = feed.follower.as_ref()?;
            let floor = match scene.mutation {
                Some(Mutation::OldAnswersCount) => Timestamp::from_seconds(0),
                Some(Mutation::ForgettingLeavesTheFloor | Mutation::NeitherAgeNorFloor) => feed.begun_at?,
                _ => follower.floor(),
            };
            let synced_at = follower.synced_at()?;
            if !feed.is_whole(scene) {
                asked_at.filter(|asked_at| floor <= *asked_at)?;
            }
            Some(feed.believed.map_or(synced_at, |believed| believed.max(synced_at)))
        });
        let heard: Option<Vec<_>> = heard.collect();
        heard.and_then(|heard| heard.into_iter().min()).map_or(Says::Nothing, Says::Active)
    }

    fn ends(&self, scene: &Scene, token: &Token, key: &str) -> bool {
        self.feeds[scene.shard_of(key)].follower.as_ref().is_some_and(|follower| ends(follower, token, key))
    }
}

fn ends(follower: &Follower, token: &Token, key: &str) -> bool {
    follower.ends(&Digest::of_key(key).unwrap(), token.issued_at)
}
