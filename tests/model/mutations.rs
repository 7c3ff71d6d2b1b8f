//! Every rule of the protocol, broken.

use crate::scenes;
use crate::world::Scene;

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutation {
    AnsweredBeforeRecorded,
    NarrowerReplacesWider,
    LineageStays,
    SealsWhatIsNotWritten,
    MergeLosesTheWidest,
    DropsWhatIsLive,
    CutOffsAreNotListed,
    ReplacedInstanceAnswers,
    PendingIsNotWidened,
    LateWritesAreIgnored,
    NobodySetsTheAlarm,
    ListsTooEarly,
    NeverImports,
    SyncCountsFromItsAnswer,
    FirstPageIsAll,
    AnythingJoins,
    LateAnswersAreApplied,
    GenerationIsNotChecked,
    GenerationStays,
    GenerationIsNotedAfterTheWait,
    VerdictIsNotComputedAgain,
    ConfirmationCountsToTheLatest,
    SyncWithoutLineage,
    ConfirmWithoutLineage,
    NamesAreUsedAgain,
    FilterOfAnother,
    StrongByTheClock,
    StepsBackAreNotSeen,
    OwnLogoutsAreForgotten,
    SharedWithoutDirectory,
    SharedCountsAsFresh,
    ClocksAreOne,
    LayoutIsNotWaitedFor,
}

impl Mutation {
    /// Without these rules a law does not hold, in this world.
    pub const HARMFUL: [(Self, fn() -> Scene); 26] = [
        (Self::AnsweredBeforeRecorded, scenes::strong),
        (Self::NarrowerReplacesWider, scenes::repeats),
        (Self::LineageStays, scenes::restore),
        (Self::SealsWhatIsNotWritten, scenes::outbox),
        (Self::MergeLosesTheWidest, scenes::merges),
        (Self::DropsWhatIsLive, scenes::strong),
        (Self::CutOffsAreNotListed, scenes::shards),
        (Self::ReplacedInstanceAnswers, scenes::crash),
        (Self::PendingIsNotWidened, scenes::outbox),
        (Self::LateWritesAreIgnored, scenes::outbox),
        (Self::NobodySetsTheAlarm, scenes::outbox),
        (Self::ListsTooEarly, scenes::import_alone),
        (Self::NeverImports, scenes::import_alone),
        (Self::SyncCountsFromItsAnswer, scenes::strong),
        (Self::FirstPageIsAll, scenes::pages),
        (Self::AnythingJoins, scenes::restore),
        (Self::GenerationStays, scenes::restore_check),
        (Self::GenerationIsNotedAfterTheWait, scenes::remembered),
        (Self::VerdictIsNotComputedAgain, scenes::restore_sealed),
        (Self::SyncWithoutLineage, scenes::restore),
        (Self::FilterOfAnother, scenes::filters),
        (Self::StrongByTheClock, scenes::clocks),
        (Self::StepsBackAreNotSeen, scenes::clocks),
        (Self::OwnLogoutsAreForgotten, scenes::clocks),
        (Self::SharedCountsAsFresh, scenes::shared),
        (Self::LayoutIsNotWaitedFor, scenes::layout),
    ];
    /// The same, in a world that takes long to search.
    pub const DEEP: [(Self, fn() -> Scene); 1] = [(Self::ConfirmationCountsToTheLatest, scenes::versions_again)];
    /// Without these every law holds all the same: others stand behind them.
    pub const HARMLESS: [(Self, fn() -> Scene); 6] = [
        (Self::ConfirmWithoutLineage, scenes::restore_sealed),
        (Self::SharedWithoutDirectory, scenes::shared_sealed),
        (Self::LateAnswersAreApplied, scenes::pages),
        (Self::GenerationIsNotChecked, scenes::restore),
        (Self::NamesAreUsedAgain, scenes::filters),
        (Self::ClocksAreOne, scenes::shared),
    ];
}
