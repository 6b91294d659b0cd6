use super::failure::Violation;
use crate::san::iscsi::pdu::{FromTarget, InitiatorNumbers, NO_TAG, Serial, TargetNumbers};

/// The numbers by which both sides count commands and statuses (RFC 7143, 4.2.2).
///
/// ```text
///   acknowledged │ on their way          │ may be sent             │ must wait
///   ─────────────┼───────────────────────┼─────────────────────────┼──────────▶ CmdSN
///            ExpCmdSN                  CmdSN                  MaxCmdSN + 1
/// ```
#[derive(Clone, Debug)]
pub(super) struct Window {
    cmd_sn: Serial,
    exp_cmd_sn: Serial,
    max_cmd_sn: Serial,
    exp_stat_sn: Serial,
}

/// The CmdSN of the login, and so of the first command. Any would do.
const FIRST: Serial = Serial(1);

impl Window {
    /// Closed, until the target opens it.
    pub fn new() -> Self {
        let closed = Serial(FIRST.0 - 1);
        Self { cmd_sn: FIRST, exp_cmd_sn: FIRST, max_cmd_sn: closed, exp_stat_sn: Serial(0) }
    }

    /// For a PDU that is not counted: immediate ones, and Data-Out.
    pub fn numbers(&self) -> InitiatorNumbers {
        InitiatorNumbers { cmd_sn: self.cmd_sn, exp_stat_sn: self.exp_stat_sn }
    }

    pub fn is_open(&self) -> bool {
        !self.max_cmd_sn.is_before(self.cmd_sn)
    }

    /// For a command. The window is open.
    pub fn take(&mut self) -> InitiatorNumbers {
        assert!(self.is_open(), "a command is sent within the window");
        let numbers = self.numbers();
        self.cmd_sn = self.cmd_sn.next();
        numbers
    }

    /// The first response of a login says where the target counts from.
    pub fn begin(&mut self, numbers: TargetNumbers) {
        self.exp_stat_sn = numbers.stat_sn;
    }

    /// Takes over what a PDU says. Its StatSN must be the next: nothing of what a target answers may be missing.
    pub fn on_pdu(&mut self, pdu: &FromTarget) -> Result<(), Violation> {
        let numbers = pdu.numbers();
        if !matches!(pdu, FromTarget::DataIn(data) if data.status.is_none()) {
            if numbers.stat_sn != self.exp_stat_sn {
                return Err(Violation::StatSn { pdu: pdu.name(), said: numbers.stat_sn, expected: self.exp_stat_sn });
            }
            if counts(pdu) {
                self.exp_stat_sn = self.exp_stat_sn.next();
            }
        }
        self.move_to(numbers)
    }

    /// RFC 7143, 4.2.2.1: both are ignored when they contradict each other, and neither goes back.
    fn move_to(&mut self, numbers: TargetNumbers) -> Result<(), Violation> {
        let TargetNumbers { exp_cmd_sn, max_cmd_sn, .. } = numbers;
        if max_cmd_sn.next().is_before(exp_cmd_sn) {
            return Ok(());
        }
        if self.cmd_sn.is_before(exp_cmd_sn) {
            return Err(Violation::ExpCmdSn { said: exp_cmd_sn, next: self.cmd_sn });
        }
        if self.exp_cmd_sn.is_before(exp_cmd_sn) {
            self.exp_cmd_sn = exp_cmd_sn;
        }
        if self.max_cmd_sn.is_before(max_cmd_sn) {
            self.max_cmd_sn = max_cmd_sn;
        }
        Ok(())
    }
}

/// Whether the PDU uses its StatSN up (RFC 7143, 11.8.3 and 11.19.3: an R2T and a NOP-In that answers nothing do not).
fn counts(pdu: &FromTarget) -> bool {
    match pdu {
        FromTarget::ReadyToTransfer(_) => false,
        FromTarget::NopIn(nop) => nop.task_tag != NO_TAG,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::san::iscsi::pdu::{NopIn, ReadyToTransfer};

    fn nop(task_tag: u32, stat_sn: u32, exp_cmd_sn: u32, max_cmd_sn: u32) -> FromTarget {
        let numbers =
            TargetNumbers { stat_sn: Serial(stat_sn), exp_cmd_sn: Serial(exp_cmd_sn), max_cmd_sn: Serial(max_cmd_sn) };
        FromTarget::NopIn(NopIn { lun: [0; 8], task_tag, transfer_tag: NO_TAG, numbers })
    }

    #[test]
    fn the_window_opens_and_never_goes_back() {
        let mut window = Window::new();
        assert!(!window.is_open());
        window.on_pdu(&nop(1, 0, 1, 2)).unwrap();
        assert_eq!([window.take().cmd_sn, window.take().cmd_sn], [Serial(1), Serial(2)]);
        assert!(!window.is_open());
        window.on_pdu(&nop(1, 1, 3, 3)).unwrap();
        window.on_pdu(&nop(1, 2, 1, 1)).unwrap();
        assert!(window.is_open(), "older numbers take nothing back");
        window.on_pdu(&nop(1, 3, 3, 1)).unwrap();
        assert!(window.is_open(), "numbers that contradict each other say nothing");
    }

    #[test]
    fn statuses_come_one_after_the_other() {
        let mut window = Window::new();
        window.begin(TargetNumbers { stat_sn: Serial(u32::MAX), ..TargetNumbers::default() });
        window.on_pdu(&nop(1, u32::MAX, 1, 1)).unwrap();
        window.on_pdu(&nop(NO_TAG, 0, 1, 1)).unwrap();
        let numbers = TargetNumbers { stat_sn: Serial(0), exp_cmd_sn: Serial(1), max_cmd_sn: Serial(1) };
        let r2t = ReadyToTransfer {
            lun: [0; 8],
            task_tag: 1,
            transfer_tag: 1,
            numbers,
            r2t_sn: Serial(0),
            offset: 0,
            length: 1,
        };
        window.on_pdu(&FromTarget::ReadyToTransfer(r2t)).unwrap();
        window.on_pdu(&nop(1, 0, 1, 1)).unwrap();
        let gap = Violation::StatSn { pdu: "NOP-In", said: Serial(2), expected: Serial(1) };
        assert_eq!(window.on_pdu(&nop(1, 2, 1, 1)), Err(gap));
    }

    #[test]
    fn what_was_never_sent_cannot_be_acknowledged() {
        let mut window = Window::new();
        let lie = Violation::ExpCmdSn { said: Serial(2), next: Serial(1) };
        assert_eq!(window.on_pdu(&nop(1, 0, 2, 9)), Err(lie));
    }
}
