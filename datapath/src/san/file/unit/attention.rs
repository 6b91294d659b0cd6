use std::collections::{BTreeMap, VecDeque};

use crate::san::Identity;
use crate::scsi::SenseCode;

/// Unit attentions that wait for each initiator (SAM-5, 5.14): each is told once, with its next command.
#[derive(Debug, Default)]
pub struct Attentions {
    waiting: BTreeMap<Identity, VecDeque<SenseCode>>,
}

impl Attentions {
    /// The initiator logs in, anew or in place of a former login. What waited from before is superseded.
    pub fn arrive(&mut self, identity: Identity) {
        let code = match self.waiting.contains_key(&identity) {
            true => SenseCode::NEXUS_LOSS,
            false => SenseCode::POWER_ON_OR_RESET,
        };
        self.waiting.insert(identity, VecDeque::from([code]));
    }

    /// The initiator is gone. When it comes again it is told that anything may have happened.
    pub fn depart(&mut self, identity: Identity) {
        self.waiting.remove(&identity);
    }

    /// Adds one behind the others, once. For an initiator that is not logged in there is nothing to remember.
    pub fn establish(&mut self, identity: Identity, code: SenseCode) {
        if let Some(codes) = self.waiting.get_mut(&identity).filter(|it| !it.contains(&code)) {
            codes.push_back(code);
        }
    }

    /// For everybody, in place of all that waits but a power on, which says the same and more.
    pub fn reset(&mut self) {
        for codes in self.waiting.values_mut().filter(|it| it.front() != Some(&SenseCode::POWER_ON_OR_RESET)) {
            *codes = VecDeque::from([SenseCode::DEVICE_RESET]);
        }
    }

    /// The next one to be told; it is told by that.
    pub fn take(&mut self, identity: Identity) -> Option<SenseCode> {
        self.waiting.get_mut(&identity)?.pop_front()
    }

    /// The initiator knows already.
    pub fn withdraw(&mut self, identity: Identity, code: SenseCode) {
        if let Some(codes) = self.waiting.get_mut(&identity) {
            codes.retain(|it| *it != code);
        }
    }
}
