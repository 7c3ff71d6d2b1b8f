//! What can happen next in a world.

use std::time::Duration;

use edge_logout::revocation::feed::Follower;
use edge_logout::time::Timestamp;

use crate::world::{Feed, Flight, Isolate, POLL_LIMIT, Poll, Progress, Scene, Shard, World};

/// One step. Numbers are places in the world's lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Time passes.
    Tick {
        by: Duration,
    },
    /// A logout is recorded and answered. An answer that comes later, or never, promises less.
    LogOut {
        logout: usize,
    },
    /// The alarm begins to write what is due.
    Alarm {
        shard: usize,
    },
    /// A write takes effect at the index; its writer does not know yet.
    Land {
        shard: usize,
        flight: usize,
    },
    /// The writer hears that a write has succeeded.
    PutDone {
        shard: usize,
        flight: usize,
    },
    /// The writer hears that it has failed, or hears nothing.
    PutFails {
        shard: usize,
        flight: usize,
    },
    /// A write takes effect that was given up.
    LandLate {
        stray: usize,
    },
    /// The end of an alarm.
    Tidy {
        shard: usize,
    },
    Crash {
        shard: usize,
    },
    LoseStorage {
        shard: usize,
    },
    SendPoll {
        isolate: usize,
        shard: usize,
    },
    AnswerPoll {
        isolate: usize,
        shard: usize,
    },
    ReceivePoll {
        isolate: usize,
        shard: usize,
    },
    SharePoll {
        isolate: usize,
        shard: usize,
    },
    LosePoll {
        isolate: usize,
        shard: usize,
    },
    TakeShared {
        isolate: usize,
    },
    /// The index is asked about a token and knows nothing of it.
    AskIndex {
        isolate: usize,
        token: usize,
    },
    Restart {
        isolate: usize,
    },
}

impl Scene {
    /// Everything that can happen now.
    pub fn steps(&self, world: &World, steps: &mut Vec<Step>) {
        let waits = |by: &Duration| self.may_wait(world, world.now.plus(*by));
        let ticks = self.ticks.iter().filter(|by| world.moves > 0 && waits(by));
        steps.extend(ticks.map(|by| Step::Tick { by: *by }));
        for (logout, progress) in world.logouts.iter().enumerate() {
            let waits = self.in_order && logout > 0 && world.logouts[logout - 1] == Progress::Idle;
            if *progress == Progress::Idle && !waits {
                steps.push(Step::LogOut { logout });
            }
        }
        for (shard, state) in world.shards.iter().enumerate() {
            self.steps_of_shard(world, shard, state, steps);
        }
        steps.extend((0..world.index.strays.len()).map(|stray| Step::LandLate { stray }));
        for (isolate, state) in world.isolates.iter().enumerate() {
            self.steps_of_isolate(world, isolate, state, steps);
        }
    }

    fn steps_of_shard(&self, world: &World, shard: usize, state: &Shard, steps: &mut Vec<Step>) {
        for (flight, Flight { has_landed, .. }) in state.flights.iter().enumerate() {
            steps.push(if *has_landed || !self.slow_writes {
                Step::PutDone { shard, flight }
            } else {
                Step::Land { shard, flight }
            });
            if world.faults.puts > 0 {
                steps.push(Step::PutFails { shard, flight });
            }
        }
        let Ok(next) = state.ledger.next_alarm();
        if self.index_works && state.flights.is_empty() && next.is_some_and(|at| at <= soon(world.now)) {
            let Ok(due) = state.ledger.due(soon(world.now), usize::MAX);
            steps.push(if due.is_empty() { Step::Tidy { shard } } else { Step::Alarm { shard } });
        }
        if world.faults.crashes > 0 {
            steps.push(Step::Crash { shard });
        }
        if world.faults.losses > 0 {
            steps.push(Step::LoseStorage { shard });
        }
    }

    /// Whether nobody gives up before then.
    fn may_wait(&self, world: &World, until: Timestamp) -> bool {
        let mut flights = world.shards.iter().flat_map(|shard| &shard.flights);
        let feeds = world.isolates.iter().flat_map(|isolate| &isolate.feeds);
        flights.all(|flight| until <= flight.begun_at.plus(self.put_limit))
            && feeds.filter_map(|feed| feed.poll.as_ref()).all(|poll| until <= poll.asked_at.plus(POLL_LIMIT))
    }

    fn steps_of_isolate(&self, world: &World, isolate: usize, state: &Isolate, steps: &mut Vec<Step>) {
        for (shard, feed) in state.feeds.iter().enumerate() {
            match &feed.poll {
                None if world.faults.polls == Some(0) => {}
                None if feed.synced_at() != Some(world.now) => steps.push(Step::SendPoll { isolate, shard }),
                None => {}
                Some(Poll { answer: None, .. }) => {
                    steps.push(Step::AnswerPoll { isolate, shard });
                    steps.extend(world.faults.polls.is_none().then_some(Step::LosePoll { isolate, shard }));
                }
                Some(Poll { answer: Some(_), .. }) => {
                    steps.push(Step::ReceivePoll { isolate, shard });
                    if world.faults.shares > 0 {
                        steps.push(Step::SharePoll { isolate, shard });
                    }
                }
            }
        }
        let shared = world.shared.as_ref().filter(|shared| state.feeds[shared.shard].leads_on(self, &shared.changes));
        if shared.is_some() {
            steps.push(Step::TakeShared { isolate });
        }
        for (token, asked_at) in state.asked.iter().enumerate() {
            if self.index_works && *asked_at != Some(world.now) && world.index_may_miss(&self.tokens[token]) {
                steps.push(Step::AskIndex { isolate, token });
            }
        }
        let remembers = state.feeds.iter().any(|feed| feed.follower.is_some());
        if world.faults.restarts > 0 && remembers {
            steps.push(Step::Restart { isolate });
        }
    }
}

/// What is gathered for a moment before it is written is due within the same tick.
pub fn soon(now: Timestamp) -> Timestamp {
    now.plus(Duration::from_millis(100))
}

impl Feed {
    fn synced_at(&self) -> Option<Timestamp> {
        self.follower.as_ref().and_then(Follower::synced_at)
    }
}
