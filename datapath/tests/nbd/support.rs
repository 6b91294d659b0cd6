use std::io::IoSlice;
use std::sync::Arc;

use bytes::Bytes;
use twinrail_datapath::nbd::{Engine, Export, Exports, MemoryDevice, Request};

/// Octets from hex; blanks are for reading.
pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|it| !it.is_whitespace()).collect();
    let octet = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).expect("hex");
    digits.chunks(2).map(octet).collect()
}

pub fn to_hex(octets: &[u8]) -> String {
    octets.iter().map(|it| format!("{it:02x}")).collect()
}

/// 64 KiB in blocks of 512, with everything that is optional.
pub fn export() -> Export {
    Export {
        description: "a disk".into(),
        trim: true,
        write_zeroes: true,
        fast_zero: true,
        cache: true,
        multi_conn: true,
        ..Export::plain("disk", 64 << 10, 512)
    }
}

pub fn engine(exports: Vec<Export>) -> Engine {
    Engine::new(Arc::new(Exports::new(exports).expect("exports")))
}

/// What the engine has for the client.
pub fn take_output(engine: &mut Engine) -> Vec<u8> {
    let mut all = Vec::new();
    while !engine.output().is_empty() {
        let mut room = [IoSlice::new(&[]); 8];
        let count = engine.output().slices(&mut room);
        let octets = room[..count].iter().flat_map(|it| it.to_vec()).collect::<Vec<u8>>();
        engine.sent(octets.len());
        all.extend(octets);
    }
    all
}

/// Executes all requests as they come, and says which they were.
pub fn execute(engine: &mut Engine, device: &MemoryDevice) -> Vec<Request> {
    let mut seen = Vec::new();
    while let Some((tag, request)) = engine.next_request() {
        engine.complete(tag, device.execute(&request));
        seen.push(request);
    }
    seen
}

/// An option as a client sends it.
pub fn option(number: u32, data: &[u8]) -> Vec<u8> {
    let head = hex("49484156454f5054");
    [&head[..], &number.to_be_bytes(), &(data.len() as u32).to_be_bytes(), data].concat()
}

/// The data of GO and INFO.
pub fn wish(name: &str, information: &[u16]) -> Vec<u8> {
    let mut data = (name.len() as u32).to_be_bytes().to_vec();
    data.extend(name.as_bytes());
    data.extend((information.len() as u16).to_be_bytes());
    information.iter().for_each(|it| data.extend(it.to_be_bytes()));
    data
}

/// The head of a request.
pub fn request(flags: u16, command: u16, cookie: u64, offset: u64, length: u32) -> Vec<u8> {
    let mut octets = hex("25609513");
    octets.extend(flags.to_be_bytes());
    octets.extend(command.to_be_bytes());
    octets.extend(cookie.to_be_bytes());
    octets.extend(offset.to_be_bytes());
    octets.extend(length.to_be_bytes());
    octets
}

/// An engine in transmission, its output taken.
pub fn transmitting(export: Export, structured: bool) -> Engine {
    let mut engine = engine(vec![export]);
    engine.receive(&hex("00000003"));
    if structured {
        engine.receive(&option(8, &[]));
    }
    engine.receive(&option(7, &wish("", &[])));
    assert_eq!(engine.export(), Some(0));
    take_output(&mut engine);
    engine
}

/// The error in the only reply that is there, simple or structured; 0: success.
pub fn error_of(reply: &[u8]) -> u32 {
    let field = |from: usize| u32::from_be_bytes(reply[from..from + 4].try_into().expect("four octets"));
    match (field(0), reply[6] >> 7) {
        (0x6744_6698, _) => field(4),
        (0x668e_33ef, 1) => field(20),
        (0x668e_33ef, _) => 0,
        (other, _) => panic!("{other:#x} begins no reply"),
    }
}

pub fn octets(length: usize, seed: u8) -> Bytes {
    (0..length).map(|it| (it as u8).wrapping_mul(31).wrapping_add(seed)).collect::<Vec<_>>().into()
}
