//! What `cargo xtask explain` says of a board that is not booted is what the kernel says when it is.
//!
//! The host is asked first, and the boot loads kernel and tree where it says that they are safe. Of the two objects
//! everything is equal but what only a kernel has: the sections of its image, of which it frees one, and what it took since.
//! That an initrd is kept or refused where the verdict says so is shown by the boots of `initrd`.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::images::images;
use crate::run::{Run, finished, run, xtask};
use crate::source::Source;

/// What the host says.
fn host(arguments: &[&str]) -> Value {
    let mut all = vec!["explain".to_string(), "--json".to_string()];
    all.extend(arguments.iter().map(ToString::to_string));
    let found = xtask(&all);
    finished(&found).expect_status(0);
    serde_json::from_slice(&found.stdout).unwrap()
}

fn said(run: &Run) -> Value {
    let line = run.text.lines().find(|line| line.starts_with("{\"ram\""));
    let line = line.unwrap_or_else(|| panic!("no JSON account in:\n{}", run.text));
    serde_json::from_str(line).unwrap()
}

/// Ranges of `account` that an owner has who is not the image.
fn held(account: &Value) -> Vec<String> {
    let ranges = account["ranges"].as_array().unwrap().iter();
    let other = ranges.filter(|one| !one["class"].eq("usable"));
    let other =
        other.filter(|one| !one["owner"].as_str().is_some_and(|o| o.starts_with("kernel_")));
    other.map(Value::to_string).collect()
}

/// Bytes by zone with the image, whose sections a prediction does not know.
fn usable_and_image(account: &Value) -> u64 {
    let tree = &account["tree"];
    let usable = tree["usable"].as_object().unwrap().values();
    let image = tree["reserved"].as_object().unwrap().iter();
    let image = image.filter(|(owner, _)| owner.starts_with("kernel_")).map(|(_, bytes)| bytes);
    usable.chain(image).map(|bytes| bytes.as_u64().unwrap()).sum()
}

/// Holds the host's object against a boot.
fn compare(host: &Value, run: &Run) {
    run.expect_status(0);
    let (mut layout, booted) = (run.layout(), said(run));
    for zone in layout["zones"].as_object_mut().unwrap().values_mut() {
        zone.as_object_mut().unwrap().remove("managed");
    }
    assert_eq!(layout, host["answer"]["layout"], "layout: booted (left), predicted (right)");
    let account = &host["answer"]["account"];
    for key in [
        "ram",
        "banks",
        "split",
        "phys_offset",
        "lowmem_end",
        "limit",
        "because",
        "what_if",
        "loaded",
        "safe",
        "beyond_tree",
    ] {
        assert_eq!(booted[key], account[key], "{key}: booted (left), predicted (right)");
    }
    for key in ["lost", "no_map"] {
        assert_eq!(booted["tree"][key], account["tree"][key], "{key}");
    }
    for key in ["kept", "start", "end"] {
        assert_eq!(booted["vmalloc"][key], account["vmalloc"][key], "vmalloc {key}");
    }
    let owners = |account: &Value| -> BTreeMap<String, Value> {
        let reserved = account["tree"]["reserved"].as_object().unwrap().iter();
        let named = reserved.filter(|(owner, _)| !owner.starts_with("kernel_"));
        named.map(|(owner, bytes)| (owner.clone(), bytes.clone())).collect()
    };
    assert_eq!(owners(&booted), owners(account), "reserved: booted (left), predicted (right)");
    assert_eq!(held(&booted), held(account), "ranges: booted (left), predicted (right)");
    assert_eq!(usable_and_image(&booted), usable_and_image(account));
}

const COMMANDS: &str = "layout --json; explain --json";

pub fn qemus_tree() {
    let (elf, _) = images("3g");
    let append = "vmalloc=300M dma_zone=33M page_owner=1";
    let options = ["-m", "2G", "--append", append];
    let host = host(&[&options[..], &["--image", elf.to_str().unwrap()]].concat());
    compare(&host, &run(&options, COMMANDS));
    let far = host["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .any(|one| one["text"].as_str().unwrap().contains("pcie@10000000 reg [0x4010000000-"));
    assert!(far, "QEMU's board has PCI above 4 GiB: {}", host["warnings"]);
}

/// Boots `tree`, with the image and the tree where the host says.
fn loaded_where_it_says(tree: &Path) {
    let (_, raw) = images("3g");
    let (tree, raw) = (tree.to_str().unwrap(), raw.to_str().unwrap());
    let first = host(&[tree, "--image", raw]);
    let address = |name: &str| first["load_addresses"][name].as_str().unwrap().to_string();
    let (load, at) = (address("kernel"), address("fdt"));
    let places = ["--load", &load, "--dtb-at", &at];
    let host = host(&[&[tree, "--image", raw][..], &places].concat());
    let run = run(&[&places[..], &["--dtb-raw", tree]].concat(), COMMANDS);
    compare(&host, &run);
    assert!(!run.text.contains("moving "), "{}", run.text);
    assert_eq!(first["load_addresses"]["always"], true);
    let loaded = said(&run)["loaded"].clone();
    for thing in ["kernel", "device_tree"] {
        assert_eq!(loaded[thing]["place"], "lowmem", "{loaded}");
    }
}

pub fn reservations() {
    for name in ["rsv", "memrsv", "nomap", "nomaptop"] {
        let path = format!("{}/oracle/dts/{name}.dts", env!("CARGO_MANIFEST_DIR"));
        loaded_where_it_says(&Source::file(&path).compile(&format!("host-{name}")));
    }
}

/// Banks below and above, parts of pages, reservations of every kind, an initrd and a command line of the tree's.
pub fn odd_tree() {
    let nodes = "ram@20000000 { device_type = \"memory\"; reg = <0 0x20000000 0 0x10000000>; };
        ram@90000000 { device_type = \"memory\"; reg = <0 0x90000000 0 0x1000801>; };
        ram@100000000 { device_type = \"memory\"; reg = <1 0 0 0x40000000>; };
        reserved-memory { #address-cells = <2>; #size-cells = <2>; ranges;
            camera@50000000 { reg = <0 0x50000000 0 0x100100>; };
            secure@58000000 { reg = <0 0x58000000 0 0x100000>; no-map; };
            pool { size = <0 0x300000>; alignment = <0 0x100000>; };
            low { size = <0 0x1234>; alloc-ranges = <0 0x48000000 0 0x1000000>; };
            hidden { size = <0 0x200000>; no-map; }; };";
    let chosen = "bootargs = \"vmalloc=300000001 dma_zone=64M\";
        linux,initrd-start = <0x4a000000>; linux,initrd-end = <0x4a0493e1>;";
    let source = Source::virt().below_root(nodes).chosen(chosen).reserve(0x4600_0000, 0x100);
    loaded_where_it_says(&source.compile("host-odd"));
}

/// The kernel is loaded onto its tree's best place: both know where everything moves.
pub fn moved() {
    let (_, raw) = images("3g");
    let tree = Source::virt().compile("host-moved");
    let (tree, raw) = (tree.to_str().unwrap(), raw.to_str().unwrap());
    let places = ["--load", "0x47003000", "--dtb-at", "0x40280000"];
    let host = host(&[&[tree, "--image", raw][..], &places].concat());
    let run = run(&[&places[..], &["--dtb-raw", tree]].concat(), COMMANDS);
    run.expect(&["moving [0x40280000-", "moving [0x47003000-"]);
    compare(&host, &run);
}

pub const BOOTS: [(&str, fn()); 4] = [
    ("explain on the host: QEMU's own tree", qemus_tree),
    ("explain on the host: four trees with reservations, loaded where it says", reservations),
    ("explain on the host: an odd tree, loaded where it says", odd_tree),
    ("explain on the host: a kernel and a tree that move", moved),
];
