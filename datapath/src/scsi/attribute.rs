/// How a command stands to the others of its task set (SAM-5, clause 8.9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TaskAttribute {
    /// In any order among other simple ones.
    #[default]
    Simple,
    /// After all that came before it, before all that comes after it.
    Ordered,
    /// Before all that waits.
    HeadOfQueue,
    /// While an auto contingent allegiance lasts.
    Aca,
}
