//! Serves a disk in memory, to try clients on and to measure the export alone:
//!
//! ```sh
//! cargo run -p twinrail-datapath --example nbd-serve -- /run/disk.sock 256 &
//! fio --name=r --ioengine=nbd --uri='nbd+unix:///disk?socket=/run/disk.sock' --rw=randread --bs=4k --iodepth=32
//! ```
//!
//! It ends with its standard input.

use std::io::Read;
use std::process::ExitCode;
use std::sync::Arc;

use twinrail_datapath::nbd::{Export, MemoryDevice, Offer, Server, ServerConfig};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, mebibytes] = arguments.as_slice() else {
        eprintln!("usage: nbd-serve SOCKET MEBIBYTES");
        return ExitCode::from(2);
    };
    let Some(octets) = mebibytes.parse::<usize>().ok().and_then(|it| it.checked_mul(1 << 20)) else {
        eprintln!("error: {mebibytes:?} is no number of mebibytes");
        return ExitCode::from(2);
    };
    let export = Export { write_zeroes: true, multi_conn: true, ..Export::plain("disk", octets as u64, 512) };
    let config = ServerConfig { path: path.into(), mode: 0o600, owner: None, clients: 16 };
    let offer = Offer { export, device: Arc::new(MemoryDevice::new(octets)) };
    let _server = match Server::start(&config, vec![offer]) {
        Ok(server) => server,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("serving {mebibytes} MiB on {path}");
    // An error of the standard input is its end as well.
    let _ = std::io::stdin().lock().read_to_end(&mut Vec::new());
    ExitCode::SUCCESS
}
