//! What one command takes of the identities of one kind. Nothing is taken from the state before the command is accepted.

use std::collections::{BTreeMap, BTreeSet};

use twinrail_proto::domain::{AdapterId, UnixMillis};

use super::{Identity, Ledger, Runs};

#[derive(Debug)]
pub(in crate::state) struct Drawing<'a, I> {
    ledger: &'a Ledger,
    quarantine: &'a BTreeMap<I, UnixMillis>,
    now: UnixMillis,
    /// Still listed as resting, but free at this time.
    returned: BTreeSet<u64>,
    /// Taken by this command, and by what.
    taken: BTreeMap<u64, String>,
    taken_runs: Runs,
}

/// Why an identity cannot be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::state) enum Conflict {
    Held(AdapterId),
    TakenBy(String),
    Resting { until: UnixMillis },
}

/// What is known of a pool without a free identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::state) struct Exhausted {
    pub resting: usize,
    pub first_returns: Option<UnixMillis>,
}

impl<'a, I: Identity> Drawing<'a, I> {
    pub fn new(ledger: &'a Ledger, quarantine: &'a BTreeMap<I, UnixMillis>, now: UnixMillis) -> Self {
        let returned = ledger.returned(now).collect();
        Self { ledger, quarantine, now, returned, taken: BTreeMap::new(), taken_runs: Runs::default() }
    }

    /// The lowest free identity of these ranges.
    pub fn draw(&mut self, ranges: &[(I, I)], taker: &str) -> Result<I, Exhausted> {
        let lowest = ranges.iter().filter_map(|&(first, last)| self.lowest_free(first.number(), last.number())).min();
        let Some(number) = lowest else {
            return Err(self.exhausted(ranges));
        };
        self.take(number, taker);
        Ok(I::from_number(number))
    }

    /// This very identity.
    pub fn claim(&mut self, identity: I, taker: &str) -> Result<(), Conflict> {
        let number = identity.number();
        if let Some(&holder) = self.ledger.holders.get(&number) {
            return Err(Conflict::Held(holder));
        }
        if let Some(taker) = self.taken.get(&number) {
            return Err(Conflict::TakenBy(taker.clone()));
        }
        match self.quarantine.get(&identity) {
            Some(&until) if until > self.now => Err(Conflict::Resting { until }),
            _ => {
                self.take(number, taker);
                Ok(())
            }
        }
    }

    fn take(&mut self, number: u64, taker: &str) {
        self.taken.insert(number, taker.to_owned());
        self.taken_runs.insert(number);
    }

    /// Every turn passes a whole run or ends.
    fn lowest_free(&self, first: u64, last: u64) -> Option<u64> {
        let mut candidate = first;
        while candidate <= last {
            let next = self.skip_once(candidate)?;
            if next == candidate {
                return Some(candidate);
            }
            candidate = next;
        }
        None
    }

    fn skip_once(&self, candidate: u64) -> Option<u64> {
        let candidate = self.taken_runs.skip(self.ledger.used.skip(candidate)?)?;
        let Some((_, last)) = self.ledger.resting.run_of(candidate) else {
            return Some(candidate);
        };
        match self.returned.range(candidate..=last).next() {
            Some(&returned) => Some(returned),
            None => last.checked_add(1),
        }
    }

    fn exhausted(&self, ranges: &[(I, I)]) -> Exhausted {
        let resting = || {
            let listed = ranges.iter().flat_map(|&(first, last)| self.quarantine.range(first..=last));
            listed.map(|(_, &until)| until).filter(|&until| until > self.now)
        };
        Exhausted { resting: resting().count(), first_returns: resting().min() }
    }
}

#[cfg(test)]
mod tests {
    use twinrail_proto::domain::MacAddress;

    use super::*;

    fn mac(last: u8) -> MacAddress {
        MacAddress::new([2, 0, 0, 0, 0, last]).unwrap()
    }

    /// 1 and 4 are used, 2 rests until 100, 3 until 200.
    fn ledger() -> (Ledger, BTreeMap<MacAddress, UnixMillis>) {
        let mut ledger = Ledger::default();
        ledger.learn(mac(1), AdapterId(1));
        ledger.learn(mac(4), AdapterId(4));
        ledger.rest(mac(2), 100);
        ledger.rest(mac(3), 200);
        (ledger, BTreeMap::from([(mac(2), 100), (mac(3), 200)]))
    }

    #[test]
    fn the_lowest_free_one_is_drawn_and_rest_is_kept() {
        let (ledger, quarantine) = ledger();
        for (now, expected) in [(99, vec![5, 6]), (100, vec![2, 5, 6]), (200, vec![2, 3, 5, 6])] {
            let mut drawing = Drawing::new(&ledger, &quarantine, now);
            let ranges = [(mac(5), mac(6)), (mac(1), mac(4))];
            let drawn: Vec<MacAddress> = std::iter::from_fn(|| drawing.draw(&ranges, "x").ok()).collect();
            assert_eq!(drawn, expected.into_iter().map(mac).collect::<Vec<_>>(), "at {now}");
        }
    }

    #[test]
    fn an_exhausted_pool_says_what_rests() {
        let (ledger, quarantine) = ledger();
        let mut drawing = Drawing::new(&ledger, &quarantine, 99);
        let exhausted = drawing.draw(&[(mac(1), mac(4))], "x");
        assert_eq!(exhausted, Err(Exhausted { resting: 2, first_returns: Some(100) }));
        let exhausted = drawing.draw(&[(mac(1), mac(1))], "x");
        assert_eq!(exhausted, Err(Exhausted { resting: 0, first_returns: None }));
    }

    #[test]
    fn a_claim_says_what_is_in_its_way() {
        let (ledger, quarantine) = ledger();
        let mut drawing = Drawing::new(&ledger, &quarantine, 100);
        assert_eq!(drawing.claim(mac(1), "x"), Err(Conflict::Held(AdapterId(1))));
        assert_eq!(drawing.claim(mac(2), "x"), Ok(()));
        assert_eq!(drawing.claim(mac(2), "y"), Err(Conflict::TakenBy("x".into())));
        assert_eq!(drawing.claim(mac(3), "x"), Err(Conflict::Resting { until: 200 }));
    }
}
