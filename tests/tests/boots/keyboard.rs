//! The monitor's prompt as somebody at a terminal uses it: each key as a terminal sends it, over the
//! real serial line.

use std::thread;
use std::time::Duration;

use crate::serial::{PROMPT, Serial};

pub fn keyboard() {
    const VERSION: &str = "vmsplit 0.1.0 (3g split)\n";
    let mut serial = Serial::boot(&[]);
    // Typing at the end of a line echoes what was typed and nothing else; three line ends, and CR
    // LF is one of them: a second one would put a prompt into the next answer.
    for end in ["\r", "\n", "\r\n"] {
        assert_eq!(serial.exchange(format!("version{end}")), format!("version\n{VERSION}"));
    }
    assert!(serial.exchange("verzion\x1b[D\x1b[D\x1b[D\x7fs\r").ends_with(VERSION), "Left, DEL");
    assert!(
        serial.exchange("vresion\x1b[H\x1bOC\x06\x14\r").ends_with(VERSION),
        "Home, Right, Ctrl-T"
    );
    assert!(serial.exchange("ersion\x01v\x05\x02\x04n\r").ends_with(VERSION), "Ctrl-A, E, B, D");
    assert!(
        serial.exchange("x version x\x17\x01\x1b[3~\x1b[3~\r").ends_with(VERSION),
        "Ctrl-W, Delete"
    );
    assert!(serial.exchange("bogus\x15version rest\x02\x02\x02\x02\x0b\r").ends_with(VERSION));
    assert!(serial.exchange("\x1b[A\r").ends_with(VERSION), "Up");
    assert!(serial.exchange("cmdline\r").starts_with("cmdline\n"));
    assert!(serial.exchange("\x1bOA\x10\x1b[B\x1b[A\r").ends_with(VERSION), "Up, Ctrl-P, Down, Up");
    assert!(serial.exchange("vers\x12\r").ends_with(VERSION), "Ctrl-R");

    assert_eq!(serial.exchange("ver\t\r"), format!("version \n{VERSION}"), "Tab");
    let alloc = serial.exchange("alloc 0 D\t\r");
    assert!(alloc.starts_with("alloc 0 DMA \npfn 0x"), "{alloc}");
    let alloc = serial.exchange("alloc 0 GFP_KERNEL|__GFP_NOW\t\r");
    assert!(alloc.starts_with("alloc 0 GFP_KERNEL|__GFP_NOWARN \npfn 0x"), "{alloc}");
    assert_eq!(serial.exchange("fail o\t\r"), "fail off \n");
    // The list brings a prompt of its own, with the line as it was behind it.
    assert_eq!(serial.exchange("mem\t\t"), "mem\x07\nmeminfo  memblock\n");
    let meminfo = serial.exchange("i\t\r");
    assert!(meminfo.starts_with("meminfo \nMemTotal: "), "{meminfo}");
    let translate = serial.exchange("translate vm\t+0x10\x08\x08\x08\x08\x08\x08\r");
    assert!(translate.contains("region      : vmalloc"), "{translate}");

    assert_eq!(serial.exchange("layo\x03"), "layo^C\n");
    assert_eq!(serial.exchange(b"ver\xff\xc3sion\r"), format!("ver\x07\x07sion\n{VERSION}"));
    assert_eq!(serial.exchange("\x1b[1;5Cver\x1b[?1;2csion\x1b\r"), format!("version\n{VERSION}"));
    let long = serial.exchange(format!("{}\r", "x".repeat(300)));
    assert!(long.ends_with("\nerror: a line has at most 255 bytes\n"), "{long}");
    let fault = serial.exchange("peek 4 1\r");
    let error = "\nerror: 0x00000004: section translation fault on read (DFSR 0x005)\n";
    assert!(fault.starts_with("peek 4 1\n") && fault.ends_with(error), "{fault}");

    // What is typed while a command runs is not lost, up to what the UART holds.
    serial.send("cmdline\rversion\r");
    assert!(serial.wait_for(PROMPT).starts_with("cmdline\n"));
    assert!(serial.wait_for(PROMPT).ends_with(VERSION));

    // Ctrl-C ends what would take hours: all is given back, and what was typed before it is gone.
    for (soak, command) in
        [("soak", "soak 4000000000"), ("object-soak", "object-soak 4000000000 3")]
    {
        serial.send(format!("{command}\r"));
        serial.wait_for(&format!("{command}\n"));
        thread::sleep(Duration::from_secs(1));
        let stopped = serial.exchange("version\r\x03");
        assert!(stopped.contains(&format!("{soak}: stopped by Ctrl-C\n")), "{stopped}");
        assert!(stopped.contains(&format!("selftest: {soak}: ok, ")), "{stopped}");
    }
    assert_eq!(serial.exchange("version\r"), format!("version\n{VERSION}"));
    // One that nobody waited for is nobody's any more.
    assert_eq!(serial.exchange("\x03"), "^C\n");
    assert!(serial.exchange("object-soak 3000\r").contains("selftest: object-soak: ok, "));
    serial.send("poweroff\r");
    let (status, rest) = serial.end();
    assert_eq!((status, rest.as_str()), (Some(0), "poweroff\nvmsplit: power off\n"));
}

/// The boots of this file.
pub const BOOTS: [(&str, fn()); 1] = [("monitor: editing keys, history and Tab", keyboard)];
