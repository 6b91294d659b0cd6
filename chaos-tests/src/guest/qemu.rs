//! The machine: how QEMU is started.

use std::process::Command;

use super::folder::Folder;
use super::kernel::Kernel;

const PROCESSORS: &str = "2";
const MEMORY: &str = "4G";
const PROGRAM: &str = "qemu-system-x86_64";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accelerator {
    /// The processor's own virtualisation.
    Kvm,
    /// QEMU translates, with a thread for each processor of the guest.
    Emulation,
}

impl Accelerator {
    fn argument(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Emulation => "tcg,thread=multi",
        }
    }
}

/// Its standard input and output are the guest's port for commands. setpriv has the kernel kill it when this process ends.
pub fn command(folder: &Folder, kernel: &Kernel, accelerator: Accelerator) -> Command {
    let exchange = folder.exchange().display().to_string();
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", PROGRAM]);
    command.args(["-machine", "q35", "-cpu", "max", "-smp", PROCESSORS, "-m", MEMORY]);
    command.args(["-accel", accelerator.argument()]);
    command.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]);
    command.arg("-kernel").arg(kernel.image()).arg("-initrd").arg(folder.initramfs());
    command.args([
        "-append",
        &format!("console=ttyS0 panic=-1 quiet loglevel=5 no_timer_check twinrail.exchange={exchange}"),
    ]);
    command.args(["-serial", &format!("file:{}", folder.console().display())]);
    command.args(["-device", "virtio-serial-pci", "-chardev", "stdio,id=commands,signal=off"]);
    command.args(["-device", "virtserialport,chardev=commands,name=twinrail"]);
    share(&mut command, "host", "/", "readonly=on");
    share(&mut command, "exchange", &exchange, "readonly=off");
    command
}

/// Commas in a path would be taken for QEMU's own: they are doubled.
fn share(command: &mut Command, tag: &str, path: &str, access: &str) {
    let path = path.replace(',', ",,");
    let share = format!("local,id={tag},path={path},security_model=none,multidevs=remap,{access}");
    command.args(["-fsdev", &share, "-device", &format!("virtio-9p-pci,fsdev={tag},mount_tag={tag}")]);
}
