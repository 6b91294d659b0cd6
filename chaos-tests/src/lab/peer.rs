//! An independent initiator: QEMU's tools with libiscsi, from a director's place on the SAN.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::array::Array;
use super::layout::MachineKind;
use super::{Lab, Namespace, shell};

/// One disk of the array, as a peer logs in to it.
pub struct SanPeer {
    namespace: Namespace,
    /// QEMU's name for it.
    disk: String,
}

impl SanPeer {
    /// The peer logs in with the initiator name of this WWPN.
    pub fn new(lab: &Lab, array: &Array, target: &str, lun: u16, wwpn: &str) -> Result<Self> {
        let is_director = |kind| matches!(kind, MachineKind::Director { .. });
        let director = lab.layout.machines().into_iter().find(|it| is_director(it.1)).context("no director")?.0;
        let (portal, target) = (array.portal(), Array::target_name(target));
        let initiator = super::array::initiator(wwpn);
        let disk = format!(
            r#"json:{{"driver":"raw","file":{{"driver":"iscsi","transport":"tcp","portal":"{portal}","target":"{target}","lun":{lun},"initiator-name":"{initiator}"}}}}"#
        );
        Ok(Self { namespace: lab.namespace(&director)?.clone(), disk })
    }

    /// QEMU's name for the disk.
    pub fn disk(&self) -> &str {
        &self.disk
    }

    /// Runs commands of qemu-io on the disk.
    pub fn io(&self, commands: &[&str]) -> Result<()> {
        qemu_io(&self.namespace, &self.disk, commands)
    }

    /// Whether the disk's octets are those of an NBD export.
    pub fn equals(&self, socket: &Path) -> Result<()> {
        let export = nbd(socket);
        shell::run(&mut self.namespace.command(Path::new("qemu-img"), &["compare", &self.disk, &export])).map(drop)
    }

    /// A program beside the peer.
    pub fn command(&self, program: &str, arguments: &[&str]) -> std::process::Command {
        self.namespace.command(Path::new(program), arguments)
    }
}

/// An NBD export's name for QEMU's tools.
pub fn nbd(socket: &Path) -> String {
    let socket = socket.display();
    format!(r#"json:{{"driver":"raw","file":{{"driver":"nbd","server":{{"type":"unix","path":"{socket}"}}}}}}"#)
}

/// Runs commands of qemu-io; a read that finds another pattern is an error.
pub fn qemu_io(namespace: &Namespace, disk: &str, commands: &[&str]) -> Result<()> {
    let commands = commands.iter().flat_map(|it| ["-c", it]);
    let arguments: Vec<&str> = commands.chain([disk]).collect();
    let said = shell::run(&mut namespace.command(Path::new("qemu-io"), &arguments))?;
    ensure!(!said.contains("failed"), "qemu-io {arguments:?}: {said}");
    Ok(())
}
