//! The handshake: "Fixed newstyle negotiation", "Option types".

use bytes::{Buf, BufMut, Bytes};

use super::{AfterSkip, End, Engine, Phase};
use crate::nbd::wire::{FIXED_NEWSTYLE, NO_ZEROES, OPTION_MAGIC, OPTION_REPLY_MAGIC, ZEROES, answer, info, option};
use crate::nbd::{Export, limits};

/// Magic, option, length.
const OPTION_HEADER: usize = 16;

/// An export that is asked for by INFO or GO.
struct Wish {
    name: Bytes,
    information: Vec<u16>,
}

impl Engine {
    /// "Client flags": the connection ends when there are any that were not offered.
    pub(super) fn client_flags(&mut self) -> bool {
        let Ok(flags) = self.input.try_get_u32() else { return false };
        if flags & !u32::from(FIXED_NEWSTYLE | NO_ZEROES) != 0 {
            self.over(End::Flags(flags));
            return false;
        }
        self.no_zeroes = flags & u32::from(NO_ZEROES) != 0;
        self.phase = Phase::Options;
        true
    }

    pub(super) fn option(&mut self) -> bool {
        let Some(mut header) = self.input.get(..OPTION_HEADER) else { return false };
        let (magic, option, length) = (header.get_u64(), header.get_u32(), header.get_u32());
        if magic != OPTION_MAGIC {
            self.over(End::OptionMagic(magic));
            return false;
        }
        if length > limits::OPTION {
            self.input.advance(OPTION_HEADER);
            self.refuse_data(length, AfterSkip::RefuseOption { option });
            return true;
        }
        let whole = OPTION_HEADER + length as usize;
        if self.input.len() < whole {
            return false;
        }
        let data = self.input.split_to(whole).freeze().split_off(OPTION_HEADER);
        self.take_option(option, data);
        true
    }

    pub(super) fn option_is_too_big(&mut self, option: u32) {
        match option {
            option::EXPORT_NAME => self.over(End::NoExport("(a name that is too long)".into())),
            _ if self.count_option() => self.refuse_option(option, answer::TOO_BIG, "more data than any option needs"),
            _ => {}
        }
    }

    fn take_option(&mut self, option: u32, data: Bytes) {
        if !self.count_option() {
            return;
        }
        let no_data = data.is_empty();
        match option {
            option::EXPORT_NAME => self.export_name(&data),
            option::ABORT => {
                self.answer_option(option, answer::ACK, &[]);
                self.over(End::Left);
            }
            option::LIST if no_data => self.list(),
            option::INFO | option::GO => self.inform(option, data),
            option::STRUCTURED_REPLY if no_data => {
                self.structured = true;
                self.answer_option(option, answer::ACK, &[]);
            }
            option::LIST | option::STRUCTURED_REPLY => {
                self.refuse_option(option, answer::INVALID, "this option has no data");
            }
            option::STARTTLS => {
                self.refuse_option(option, answer::POLICY, "no TLS here: who may open the socket's file may use it");
            }
            _ => self.refuse_option(option, answer::UNSUPPORTED, "an option that is not known here"),
        }
    }

    fn count_option(&mut self) -> bool {
        self.options += 1;
        let within = self.options <= limits::OPTIONS;
        if !within {
            self.over(End::Options);
        }
        within
    }

    /// EXPORT_NAME: the answer has no header, and there is none that refuses.
    fn export_name(&mut self, name: &[u8]) {
        let Some((index, export)) = self.exports.find(name) else {
            self.over(End::NoExport(String::from_utf8_lossy(name).into_owned()));
            return;
        };
        let output = self.output.small();
        output.put_u64(export.size);
        output.put_u16(export.flags(self.structured));
        output.put_bytes(0, if self.no_zeroes { 0 } else { ZEROES });
        self.phase = Phase::Transmission { export: index };
    }

    fn list(&mut self) {
        let exports = std::sync::Arc::clone(&self.exports);
        for export in exports.iter() {
            let mut data = (export.name.len() as u32).to_be_bytes().to_vec();
            data.extend_from_slice(export.name.as_bytes());
            data.extend_from_slice(export.description.as_bytes());
            self.answer_option(option::LIST, answer::SERVER, &data);
        }
        self.answer_option(option::LIST, answer::ACK, &[]);
    }

    /// INFO and GO: the same answers, but GO goes on to the transmission.
    fn inform(&mut self, option: u32, data: Bytes) {
        let Some(wish) = Wish::parse(data) else {
            self.refuse_option(option, answer::INVALID, "the lengths in this option do not fit together");
            return;
        };
        let exports = std::sync::Arc::clone(&self.exports);
        let Some((index, export)) = exports.find(&wish.name) else {
            self.refuse_option(option, answer::UNKNOWN, "there is no export of this name");
            return;
        };
        self.describe(option, export, &wish.information);
        self.answer_option(option, answer::ACK, &[]);
        if option == option::GO {
            self.phase = Phase::Transmission { export: index };
        }
    }

    /// Size and flags, and the block sizes, always, since they are enforced; the rest when asked for.
    fn describe(&mut self, option: u32, export: &Export, asked: &[u16]) {
        let mut item = |kind: u16, content: &[&[u8]]| {
            let data = [&kind.to_be_bytes()[..], &content.concat()].concat();
            self.answer_option(option, answer::INFO, &data);
        };
        if asked.contains(&info::NAME) {
            item(info::NAME, &[export.name.as_bytes()]);
        }
        if asked.contains(&info::DESCRIPTION) && !export.description.is_empty() {
            item(info::DESCRIPTION, &[export.description.as_bytes()]);
        }
        let sizes = [export.block, export.preferred_block, limits::PAYLOAD].map(u32::to_be_bytes);
        item(info::BLOCK_SIZE, &[sizes.as_flattened()]);
        let flags = export.flags(self.structured);
        let export = [&export.size.to_be_bytes()[..], &flags.to_be_bytes()].concat();
        self.answer_option(option, answer::INFO, &[&info::EXPORT.to_be_bytes()[..], &export].concat());
    }

    fn refuse_option(&mut self, option: u32, code: u32, why: &str) {
        self.answer_option(option, code, why.as_bytes());
    }

    fn answer_option(&mut self, option: u32, code: u32, data: &[u8]) {
        let output = self.output.small();
        output.put_u64(OPTION_REPLY_MAGIC);
        output.put_u32(option);
        output.put_u32(code);
        output.put_u32(data.len() as u32);
        output.put_slice(data);
    }
}

impl Wish {
    /// None: lengths that lie.
    fn parse(mut data: Bytes) -> Option<Self> {
        let length = data.try_get_u32().ok()? as usize;
        let name = (length <= data.len()).then(|| data.split_to(length))?;
        let count = usize::from(data.try_get_u16().ok()?);
        let information = data.chunks_exact(2).map(|it| u16::from_be_bytes([it[0], it[1]])).collect();
        (data.len() == 2 * count).then_some(Self { name, information })
    }
}
