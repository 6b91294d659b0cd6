/// What the deciding director believes of another one.
///
/// Two levels of life, because a director that has just fallen silent must neither lose what it carries (it may be a
/// hiccup) nor be given more (it may be dying too: two directors often share a power supply).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Heard of on at least one path: keeps what it has and may get more.
    Trusted,
    /// Not heard of yet, silent for a moment, or back for a moment: keeps what it has, gets nothing.
    Doubted,
    /// Silent on both rails for longer than the limit: what it has goes to others.
    Lost,
}
