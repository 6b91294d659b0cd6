use std::collections::BTreeSet;

use super::Lun;

/// A command that may have been sent, by this home or one before it, and whose answer never came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unanswered {
    /// Its place in the order in which the initiator's commands first went out.
    pub order: u64,
    pub lun: Lun,
    /// Executing it twice in a row leaves and answers the same as once.
    pub idempotent: bool,
}

/// What becomes of unanswered commands, by their places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayPlan {
    /// To be sent again, in this order.
    pub send: Vec<u64>,
    /// To be ended with the status that makes the initiator decide; never to be sent.
    pub give_back: Vec<u64>,
}

/// What [`super::Effect::Replay`] asks for. Made anew from what is *still* unanswered whenever a fence starts again: what was
/// answered meanwhile is not sent again, so that nothing goes out behind what follows it. Commands to other LUNs stay.
pub fn plan_replay(unanswered: impl IntoIterator<Item = Unanswered>, luns: &BTreeSet<Lun>) -> ReplayPlan {
    let mut fenced: Vec<Unanswered> = unanswered.into_iter().filter(|it| luns.contains(&it.lun)).collect();
    fenced.sort_by_key(|it| it.order);
    let (send, give_back): (Vec<Unanswered>, Vec<Unanswered>) = fenced.into_iter().partition(|it| it.idempotent);
    let places = |commands: Vec<Unanswered>| commands.into_iter().map(|it| it.order).collect();
    ReplayPlan { send: places(send), give_back: places(give_back) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_be_sent_twice_is_and_in_the_order_of_its_first_sending() {
        let [here, elsewhere] = [1, 2].map(|it| Lun([0, it, 0, 0, 0, 0, 0, 0]));
        let unanswered = |order, lun, idempotent| Unanswered { order, lun, idempotent };
        let commands = [
            unanswered(9, here, true),
            unanswered(4, here, false),
            unanswered(3, elsewhere, true),
            unanswered(2, here, true),
            unanswered(1, elsewhere, false),
        ];
        let plan = plan_replay(commands, &[here].into());
        assert_eq!(plan, ReplayPlan { send: vec![2, 9], give_back: vec![4] });
        assert_eq!(plan_replay(commands, &BTreeSet::new()), ReplayPlan::default());
    }
}
