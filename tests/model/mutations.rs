//! Every guard of the protocol, broken.

use crate::scenes;
use crate::world::Scene;

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutation {
    // In the ledger.
    AnsweredBeforeRecorded,
    RecordedInMemory,
    NarrowerReplacesWider,
    VersionStays,
    LeavesTheFeedAtOnce,
    TrimmedIsNotKept,
    EpochStays,
    PagesAreWhole,
    FailedWritesCount,
    LateWritesAreIgnored,
    SentCountsAsWhenAnswered,
    NobodyWakesTheOutbox,
    SweptBeforeExpiry,
    NeverSwept,
    IndexedThoughChanged,
    UntoldIsNotKept,
    HistoryIsForgotten,
    // In the isolate.
    GapsAreIgnored,
    AnyPageBegins,
    SyncedWhenReceived,
    SharedCountsAsFresh,
    FailedPollsCount,
    FloorIsWhenAsked,
    OldAnswersCount,
    ForgottenWhileInTheFeed,
    ForgettingLeavesTheFloor,
    NeitherAgeNorFloor,
    AnswersOfTheIndexNeverAge,
    AlwaysWhole,
}

impl Mutation {
    /// Without these guards every law holds all the same: others stand behind them.
    pub const HARMLESS: [Self; 2] = [Self::IndexedThoughChanged, Self::AnswersOfTheIndexNeverAge];
    /// Without these some law does not hold.
    pub const HARMFUL: [Self; 27] = [
        Self::AnsweredBeforeRecorded,
        Self::RecordedInMemory,
        Self::NarrowerReplacesWider,
        Self::VersionStays,
        Self::LeavesTheFeedAtOnce,
        Self::TrimmedIsNotKept,
        Self::EpochStays,
        Self::PagesAreWhole,
        Self::FailedWritesCount,
        Self::LateWritesAreIgnored,
        Self::SentCountsAsWhenAnswered,
        Self::NobodyWakesTheOutbox,
        Self::SweptBeforeExpiry,
        Self::NeverSwept,
        Self::GapsAreIgnored,
        Self::AnyPageBegins,
        Self::SyncedWhenReceived,
        Self::SharedCountsAsFresh,
        Self::FailedPollsCount,
        Self::FloorIsWhenAsked,
        Self::OldAnswersCount,
        Self::ForgottenWhileInTheFeed,
        Self::ForgettingLeavesTheFloor,
        Self::NeitherAgeNorFloor,
        Self::UntoldIsNotKept,
        Self::HistoryIsForgotten,
        Self::AlwaysWhole,
    ];

    /// Those that are found as well where nobody asks the index while a feed is whole.
    pub const HARMFUL_ALONE: [(Self, fn() -> Scene); 7] = [
        (Self::AnsweredBeforeRecorded, scenes::whole),
        (Self::GapsAreIgnored, scenes::whole_pages),
        (Self::SyncedWhenReceived, scenes::whole),
        (Self::FailedPollsCount, scenes::whole_loss),
        (Self::SharedCountsAsFresh, scenes::whole_shared),
        (Self::PagesAreWhole, scenes::whole_pages),
        (Self::EpochStays, scenes::whole_loss),
    ];

    /// What it breaks is found in this world.
    pub fn scene(self) -> Scene {
        let scene = match self {
            Self::NarrowerReplacesWider
            | Self::FailedWritesCount
            | Self::LateWritesAreIgnored
            | Self::SentCountsAsWhenAnswered
            | Self::NobodyWakesTheOutbox
            | Self::IndexedThoughChanged => scenes::outbox(),
            Self::RecordedInMemory => scenes::crash(),
            Self::SweptBeforeExpiry | Self::NeverSwept => scenes::expiry(),
            Self::VersionStays => scenes::widening(),
            Self::EpochStays => scenes::loss(),
            Self::PagesAreWhole => scenes::pages(),
            Self::AnyPageBegins | Self::SharedCountsAsFresh => scenes::shared(),
            Self::FailedPollsCount => scenes::restart(),
            Self::ForgettingLeavesTheFloor => scenes::capacity(),
            Self::UntoldIsNotKept | Self::AlwaysWhole => scenes::whole(),
            Self::HistoryIsForgotten => scenes::whole_loss(),
            _ => scenes::memory(),
        };
        Scene { mutation: Some(self), ..scene }
    }
}
