//! `gdb`: QEMU stopped before its first instruction, with `gdb-multiarch` attached to it.
//!
//! This process *becomes* the debugger, which then has the terminal and Ctrl-C to itself; QEMU, in
//! a process group that Ctrl-C does not reach, ends with it.

use anyhow::{Context as _, Result};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode, Stdio};

use crate::build::{self, ImageArgs};
use crate::qemu::{Guard, MachineArgs};
use crate::setup::{self, Need};
use crate::workspace::Workspace;

/// Arguments of `gdb`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    machine: MachineArgs,
    #[command(flatten)]
    image: ImageArgs,
    /// More options for gdb, after it is attached: -- -batch -ex 'break NAME' -ex continue
    #[arg(last = true, value_name = "GDB OPTION")]
    gdb: Vec<String>,
}

/// The command.
pub fn run(args: &Args) -> Result<ExitCode> {
    args.machine.check()?;
    let needs = [&setup::FOR_RUN[..], &[Need::Gdb]].concat();
    let image = build::set_up_and_build(&Workspace::find()?, &needs, &args.image)?;
    let address = free_address().context("no free TCP port")?;

    let mut qemu = args.machine.command(&image)?;
    qemu.args(["-S", "-gdb", &format!("tcp:{address}"), "-serial", "stdio", "-monitor", "none"]);
    let guard = Guard::start(qemu.stdin(Stdio::null()).process_group(0), false)?;

    let mut gdb = Command::new("gdb-multiarch");
    gdb.arg("-q").arg(&image.elf).arg("-ex").arg(format!("target remote {address}"));
    let error = gdb.args(&args.gdb).exec();
    // Only a failure comes back here, and then nobody else ends QEMU.
    drop(guard);
    Err(error).context("cannot run gdb-multiarch")
}

/// A loopback address that nobody listens on at this moment.
fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
