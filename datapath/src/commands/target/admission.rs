use std::collections::BTreeSet;

use crate::scsi::{Cdb, Lun, Opcode};

/// To which LUNs the agent's commands go: what rule 6 leaves of each (the fence of `failover::takeover` decides it).
#[derive(Debug, Default)]
pub struct Admission {
    shown: BTreeSet<Lun>,
    admitted: BTreeSet<Lun>,
    /// Nothing goes out any more.
    holding: bool,
    /// The list of what is shown is out of date, and is being read.
    unsure: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Go,
    Wait,
    /// The LUN is not shown: said here, since one that appears meanwhile has had no fence.
    NotThere,
}

/// What tells an initiator that a LUN is not there, and changes nothing on one that is: the array answers them.
const HARMLESS: [Opcode; 3] = [Opcode::INQUIRY, Opcode::REQUEST_SENSE, Opcode::TEST_UNIT_READY];

impl Admission {
    pub fn verdict(&self, lun: Lun, cdb: &Cdb) -> Verdict {
        let opcode = cdb.opcode();
        match () {
            () if self.holding => Verdict::Wait,
            () if self.admitted.contains(&lun) || opcode == Opcode::REPORT_LUNS => Verdict::Go,
            () if self.shown.contains(&lun) || self.unsure => Verdict::Wait,
            () if HARMLESS.contains(&opcode) => Verdict::Go,
            () => Verdict::NotThere,
        }
    }

    /// A task management function waits like the commands; where there is no LUN the array says so.
    pub fn lets_manage(&self, lun: Lun) -> bool {
        !self.holding && (self.admitted.contains(&lun) || !(self.shown.contains(&lun) || self.unsure))
    }

    pub fn admit(&mut self, luns: &BTreeSet<Lun>) {
        self.shown.extend(luns);
        self.admitted.extend(luns);
    }

    pub fn withdraw(&mut self, luns: &BTreeSet<Lun>) {
        self.shown.retain(|it| !luns.contains(it));
        self.admitted.retain(|it| !luns.contains(it));
    }

    /// For good: this target admits nobody again.
    pub fn hold(&mut self) {
        self.holding = true;
    }

    pub fn is_holding(&self) -> bool {
        self.holding
    }

    /// Others may be shown now. What names an unknown one waits until that is known.
    pub fn doubt(&mut self) {
        self.unsure = true;
    }

    pub fn set_shown(&mut self, luns: BTreeSet<Lun>) {
        (self.shown, self.unsure) = (luns, false);
    }

    pub fn shown(&self) -> &BTreeSet<Lun> {
        &self.shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_waits_for_its_fence_and_what_is_not_is_said_to_be_absent() {
        let luns = |numbers: &[u16]| numbers.iter().map(|&it| Lun::new(it).expect("a LUN")).collect::<BTreeSet<_>>();
        let (write, inquiry) = (Cdb::write_16(0, 1, false), Cdb::inquiry(36));
        let of =
            |admission: &Admission, cdb: &Cdb| [0, 1, 2].map(|it| admission.verdict(Lun::new(it).expect("a LUN"), cdb));
        let mut admission = Admission::default();
        admission.set_shown(luns(&[0, 1]));
        admission.admit(&luns(&[0]));
        assert_eq!(of(&admission, &write), [Verdict::Go, Verdict::Wait, Verdict::NotThere]);
        assert_eq!(of(&admission, &inquiry), [Verdict::Go, Verdict::Wait, Verdict::Go]);
        assert_eq!(of(&admission, &Cdb::report_luns(16)), [Verdict::Go; 3]);
        admission.doubt();
        assert_eq!(of(&admission, &write), [Verdict::Go, Verdict::Wait, Verdict::Wait]);
        admission.set_shown(luns(&[0, 2]));
        assert_eq!(of(&admission, &write), [Verdict::Go, Verdict::NotThere, Verdict::Wait]);
        admission.withdraw(&luns(&[0]));
        assert_eq!(of(&admission, &write), [Verdict::NotThere, Verdict::NotThere, Verdict::Wait]);
        admission.hold();
        assert_eq!(of(&admission, &inquiry), [Verdict::Wait; 3]);
        assert!(!admission.lets_manage(Lun::ZERO));
    }
}
