//! The host commands, `cargo xtask …`: one file for each command.
//!
//! Every command first sees to what it needs ([`setup`]), so that on a fresh machine one command
//! is enough. Exit status: 0 done, 1 failed, 2 wrong usage, 124 time-out (`run`), 130 interrupted
//! (`sweep`).
//!
//! | file | idea |
//! |---|---|
//! | `setup` `build` `run` `module` `layout` `explain` `sweep` `explore` `report` `compare_linux` `gdb` `bench` `guide` `test` | the commands |
//! | `machine` | what this host has, asked of its own tools |
//! | `toolchain` | which Rust builds for the target, and how cargo is called for it |
//! | `workspace` | where the sources and the target directory are |
//! | `image` | the ELF, the raw image flattened from it, and where they are published |
//! | `symbols` | the kernel's symbol table, made of the ELF and put into it |
//! | `qemu` | the emulated machine's options, and the guard that ends QEMU |
//! | `loader` | the raw image at any address, a device tree as it is, any r2 |
//! | `described` | machines and settings as the user describes them |
//! | `placement` | where image and tree go in the machine's RAM |
//! | `drive` | one boot from QEMU's start to its end |
//! | `asked` | what a booted kernel is asked of its layout, and its answer |
//! | `console` | the protocol on the serial line: prompt, commands, errors, the last line |

mod asked;
mod bench;
mod build;
mod compare_linux;
mod console;
mod described;
mod drive;
mod explain;
mod explore;
mod gdb;
mod guide;
mod image;
mod layout;
mod loader;
mod machine;
mod module;
mod placement;
mod qemu;
mod report;
mod run;
mod setup;
mod sweep;
mod symbols;
mod test;
mod toolchain;
mod workspace;

use clap::{Parser, Subcommand};
use std::io::{self, Write as _};
use std::process::ExitCode;

/// Wrong usage, as clap reports it too.
const EXIT_USAGE: u8 = 2;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Build, boot and test the vmsplit kernel",
    after_help = "VMSPLIT_TOOLCHAIN=installed|debian|rustup overrides the choice of toolchain, \
                  VMSPLIT_CC=PROGRAM that of the C compiler for modules."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Find what the other commands need and install what is missing
    Setup(setup::Args),
    /// Build the kernel: an ELF file and a raw image
    Build(build::ImageArgs),
    /// Boot the kernel under QEMU
    Run(run::Args),
    /// Make a kernel module of a C source or a Rust crate
    Module(module::Args),
    /// Predict the layout without booting
    Layout(layout::Args),
    /// Build the layout explorer: a page, and the WebAssembly module in it
    Explore(explore::Args),
    /// Predict, boot and compare every combination of memory, split and boot parameters
    Sweep(sweep::Args),
    /// Boot a Linux kernel on the same board, and show both layouts side by side
    CompareLinux(compare_linux::Args),
    /// Say where every byte of a board's RAM goes, why, and what would change it, without booting
    Explain(explain::Args),
    /// Make the page of a sweep's results anew
    Report(report::Args),
    /// Boot under QEMU, stopped, with a debugger attached
    Gdb(gdb::Args),
    /// Count the instructions of each memory operation, beside Linux and other crates
    Bench(bench::Args),
    /// Make a book of the guide
    Guide(guide::Args),
    /// Check everything: format, lints, documentation, host tests, whole boots
    Test(test::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Setup(args) => setup::run(&args),
        Command::Build(args) => build::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Module(args) => module::run(&args),
        Command::Layout(args) => layout::run(&args),
        Command::Explore(args) => explore::run(&args),
        Command::Sweep(args) => sweep::run(&args),
        Command::CompareLinux(args) => compare_linux::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Gdb(args) => gdb::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Guide(args) => guide::run(&args),
        Command::Test(args) => test::run(&args),
    };
    result.unwrap_or_else(|error| {
        if is_broken_pipe(&error) {
            // The reader has left (`| head -1`): there is nobody to tell.
            return ExitCode::FAILURE;
        }
        note(format_args!("{error:#}"));
        if error.is::<toolchain::BadOverride>()
            || error.is::<placement::Misplaced>()
            || error.is::<explain::BadUse>()
            || error.is::<bench::NoSuchOperation>()
            || error.is::<module::NotAModule>()
            || error.is::<compare_linux::NotUsable>()
            || error.is::<module::c::NoSuchCompiler>()
        {
            return ExitCode::from(EXIT_USAGE);
        }
        ExitCode::FAILURE
    })
}

/// Tells the user something on standard error. Unlike `eprintln!` it does not panic when standard
/// error is closed.
fn note(message: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "xtask: {message}");
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
