//! Texts of walks through tables made by hand, and every verdict beside the manual's table.

use mm::addr::VirtAddr;

use super::super::arena::Arena;
use super::*;

/// Client of domain 0, nothing else.
const KERNEL_DACR: u32 = 1;

fn explained(arena: &Arena, virt: u32, dacr: u32) -> String {
    let mut text = String::new();
    write(&mut text, &arena.walker().translate(VirtAddr::new(virt)), dacr).unwrap();
    text
}

#[test]
fn a_page_of_code() {
    let mut arena = Arena::new(1);
    arena.poke_page(0xc020_0000, 0x4020_065e);
    assert_eq!(
        explained(&arena, 0xc020_0123, KERNEL_DACR),
        "\
first level : 0x40007008 holds 0x4f000401: table at 0x4f000400, domain 0
second level: 0x4f000400 holds 0x4020065e: small page at 0x40200000
bits        : AP 101, XN 0, TEX 001, C 1, B 1, S 1, nG 0
memory      : Normal, write-back, write-allocate, shareable, for every address space
domain      : 0, client: permissions are checked
kernel      : read: yes, write: page permission fault, execute: yes
user        : read, write, execute: page permission fault
physical    : 0x40200123
"
    );
}

#[test]
fn a_section_in_a_domain_without_access() {
    let mut arena = Arena::new(0);
    // Device, kernel only, XN, PXN, NS, bit 9, domain 3, nG.
    arena.poke_l1(0xf000_0000, 0x090a_0000 | 1 << 9 | 1 << 12 | 1 << 10 | 3 << 5 | 1 << 4 | 0b11);
    assert_eq!(
        explained(&arena, 0xf00f_fffc, KERNEL_DACR),
        "\
first level : 0x40007c00 holds 0x090a1673: section at 0x09000000, domain 3, PXN 1, NS 1, bit 9 1
bits        : AP 001, XN 1, TEX 001, C 0, B 0, S 0, nG 1
memory      : Device, not shareable, for one address space
domain      : 3, no access: every access faults
kernel      : read, write, execute: section domain fault
user        : read, write, execute: section domain fault
physical    : 0x090ffffc
"
    );
    let managed = explained(&arena, 0xf00f_fffc, 3 << 6);
    assert!(managed.contains("domain      : 3, manager: permissions are ignored\n"), "{managed}");
    assert!(managed.contains("user        : read, write, execute: yes\n"), "{managed}");
}

#[test]
fn nothing_at_either_level() {
    let mut arena = Arena::new(1);
    arena.poke_page(0xffff_0000, 0x4765_467e);
    assert_eq!(
        explained(&arena, 0xffff_1000, KERNEL_DACR),
        "\
first level : 0x40007ffc holds 0x4f000401: table at 0x4f000400, domain 0
second level: 0x4f0007c4 holds 0x00000000: nothing
kernel      : read, write, execute: page translation fault
user        : read, write, execute: page translation fault
"
    );
    assert_eq!(
        explained(&arena, 0, KERNEL_DACR),
        "\
first level : 0x40004000 holds 0x00000000: nothing
kernel      : read, write, execute: section translation fault
user        : read, write, execute: section translation fault
"
    );
}

#[test]
fn large_pages_and_supersections() {
    let mut arena = Arena::new(1);
    arena.poke_page(0xe001_f000, 0x5678_0031 | 3 << 13);
    let text = explained(&arena, 0xe001_f234, KERNEL_DACR);
    assert!(text.contains(
        "large page at 0x56780000\nbits        : AP 011, XN 0, TEX 110, C 0, B 0, S 0, nG 0"
    ));
    assert!(text.contains("memory      : Strongly-ordered, for every address space\n"), "{text}");
    assert!(text.contains("user        : read, write, execute: yes\n"), "{text}");
    assert!(text.ends_with("physical    : 0x5678f234\n"), "{text}");

    arena.poke_l1(0xd1f0_0000, 0x3400_0000 | 2 << 20 | 1 << 18 | 1 << 15 | 1 << 5 | 0b10);
    let text = explained(&arena, 0xd1f1_2345, KERNEL_DACR);
    assert!(text.contains("supersection at 0x1234000000\nbits        : AP 100, "), "{text}");
    assert!(text.contains("kernel      : read, write, execute: unpredictable\n"), "{text}");
    assert!(text.ends_with("physical    : 0x1234f12345\n"), "{text}");
}

/// *ARM DDI 0406C, B3.7.1*, table *VMSAv7 MMU access permissions*: read and write, of the kernel
/// and of user mode, by AP\[2:0\]; `None` where the table says reserved.
const PERMISSIONS: [Option<[&str; 2]>; 8] = [
    Some(["--", "--"]),
    Some(["rw", "--"]),
    Some(["rw", "r-"]),
    Some(["rw", "rw"]),
    None,
    Some(["r-", "--"]),
    Some(["r-", "r-"]),
    Some(["r-", "r-"]),
];

#[test]
fn every_permission_domain_and_execute_bit_gives_the_manuals_verdict() {
    let whos = [Privilege::Privileged, Privilege::User];
    let mut arena = Arena::new(16);
    for (ap, permissions) in PERMISSIONS.into_iter().enumerate() {
        for bits in 0..16 * 4 * 2 * 2_u32 {
            let (domain, setting) = (bits % 16, bits / 16 % 4);
            let (xn, pxn) = (bits / 64 % 2, bits / 128 % 2);
            let dacr = !(3 << (2 * domain)) | setting << (2 * domain);
            let ap = ap as u32;
            // A section, and a page under a table.
            let section = (ap >> 2) << 15 | (ap & 3) << 10 | domain << 5 | xn << 4 | 2 | pxn;
            arena.poke_l1(0xc000_0000, section);
            let page = (ap >> 2) << 9 | (ap & 3) << 4 | 2 | xn;
            arena.poke_page(0xd000_0000, page);
            let table = arena.peek_l1(0xd000_0000) & !0x3ff;
            arena.poke_l1(0xd000_0000, table | domain << 5 | pxn << 2 | 1);
            for (virt, level) in
                [(0xc000_0000, FaultLevel::Section), (0xd000_0000, FaultLevel::Page)]
            {
                let translation = arena.walker().translate(VirtAddr::new(virt));
                for (who, what) in whos.into_iter().flat_map(|who| Use::ALL.map(|what| (who, what)))
                {
                    let expected = match (setting, permissions) {
                        (0 | 2, _) => Verdict::Fault(FaultStatus::Domain(level)),
                        (3, _) => Verdict::Allowed(PhysAddr::new(0)),
                        (_, None) => Verdict::Unknown,
                        (_, Some([kernel, user])) => {
                            let is_kernel = who == Privilege::Privileged;
                            let rights = if is_kernel { kernel } else { user };
                            let allowed = match what {
                                Use::Read => rights.contains('r'),
                                Use::Write => rights.contains('w'),
                                Use::Execute => {
                                    rights.contains('r') && xn == 0 && !(is_kernel && pxn == 1)
                                }
                            };
                            match allowed {
                                true => Verdict::Allowed(PhysAddr::new(0)),
                                false => Verdict::Fault(FaultStatus::Permission(level)),
                            }
                        }
                    };
                    let found = verdict(&translation, dacr, who, what);
                    assert_eq!(found, expected, "{translation:?} {dacr:#x} {who:?} {what}");
                }
            }
        }
    }
}

/// Whatever stands in the tables, there is a text, and it ends.
#[test]
fn every_kind_of_word_has_a_text() {
    let mut arena = Arena::new(1);
    for number in 0..1_u32 << 14 {
        let word = number.wrapping_mul(0x9e37_79b9);
        // A table would have to lie in the arena.
        arena.poke_l1(0xc000_0000, if word & 3 == 1 { word | 3 } else { word });
        arena.poke_page(0xd000_0000, word);
        for virt in [0xc000_0000, 0xd000_0000] {
            let text = explained(&arena, virt, word.rotate_left(7));
            assert!((3..=8).contains(&text.lines().count()) && text.ends_with('\n'), "{text}");
        }
    }
}
