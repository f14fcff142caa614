//! `xtask run` as a user runs it, and what it printed.

use std::process::Output;

use serde_json::Value;
pub use tests::xtask::xtask;

/// A finished `xtask run`.
pub struct Run {
    pub status: Option<i32>,
    pub text: String,
}

/// A boot. Before it runs `commands` it touches the pages at the edges of every region, which must
/// answer as the layout predicts if it comes to a prompt.
#[track_caller]
pub fn run<S: AsRef<str>>(options: &[S], commands: &str) -> Run {
    let run = run_alone(options, &format!("{TOUCH}; {commands}"));
    if run.text.contains(&format!("vmsplit> {TOUCH}")) {
        assert!(run.output_of(TOUCH).contains("selftest: edges: ok, "), "{}", run.text);
    }
    run
}

const TOUCH: &str = "selftest edges";

/// A boot that runs `commands` alone.
pub fn run_alone<S: AsRef<str>>(options: &[S], commands: &str) -> Run {
    let mut arguments = vec!["run".to_string()];
    arguments.extend(options.iter().map(|option| option.as_ref().to_string()));
    arguments.extend(["--exec".to_string(), commands.to_string()]);
    finished(&xtask(&arguments))
}

/// A block of pages, as `alloc` prints it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Taken {
    pub pfn: u32,
    pub pages: u32,
    pub phys: u32,
    /// Where it is mapped, if it is.
    pub virt: Option<u32>,
    pub zone: String,
}

pub fn finished(output: &Output) -> Run {
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    Run { status: output.status.code(), text: format!("{out}\n{err}").replace('\r', "") }
}

impl Run {
    #[track_caller]
    pub fn expect_status(&self, status: i32) {
        assert_eq!(self.status, Some(status), "exit status of a run that printed:\n{}", self.text);
    }

    #[track_caller]
    pub fn expect(&self, lines: &[&str]) {
        let mut rest = self.text.as_str();
        for line in lines {
            match rest.split_once(line) {
                Some((_, after)) => rest = after,
                None => panic!("no {line:?}, or not in this order, in:\n{}", self.text),
            }
        }
    }

    #[track_caller]
    pub fn layout(&self) -> Value {
        let line = self.text.lines().find(|line| line.starts_with("{\"page_offset\""));
        let line = line.unwrap_or_else(|| panic!("no JSON layout in:\n{}", self.text));
        serde_json::from_str(line).unwrap()
    }

    /// What this `alloc` took. Which frames come out is the allocator's business, but the same commands
    /// get the same ones on every boot.
    #[track_caller]
    pub fn taken(&self, alloc: &str) -> Taken {
        let line = self.output_of(alloc).trim_end();
        let taken = || {
            let (pfn, rest) = line.strip_prefix("pfn 0x")?.split_once(": ")?;
            let (block, zone) = rest.split_once(", zone ")?;
            let (pages, addresses) = block.split_once(" page")?;
            let (_, addresses) = addresses.split_once(" at 0x")?;
            let (phys, virt) = match addresses.split_once(", mapped at 0x") {
                Some((phys, virt)) => (phys, Some(virt)),
                None => (addresses, None),
            };
            let number = |digits| u32::from_str_radix(digits, 16).ok();
            Some(Taken {
                pfn: number(pfn)?,
                pages: pages.parse().ok()?,
                phys: number(phys)?,
                virt: virt.and_then(number),
                zone: zone.to_string(),
            })
        };
        taken().unwrap_or_else(|| panic!("{alloc} took no block: {line}"))
    }

    /// What the command printed, between its echo and the next prompt.
    #[track_caller]
    pub fn output_of(&self, command: &str) -> &str {
        let echo = format!("vmsplit> {command}\n");
        let (_, after) = self.text.split_once(&echo).unwrap_or_else(|| {
            panic!("{command} was not run in:\n{}", self.text);
        });
        after.split_once("vmsplit> ").map_or(after, |(output, _)| output)
    }
}
