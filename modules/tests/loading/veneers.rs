//! Branches that do not reach go by way of a veneer, and end where they should.

use crate::builder::*;
use crate::machine::{CORE, INIT, Kernel, Loaded, arm_branch, load_with, thumb_branch};
use crate::samples::{KERNEL, STATES, loaded, object};

const CALL: u32 = 28;
const JUMP24: u32 = 29;
const THM_CALL: u32 = 10;
const THM_JUMP24: u32 = 30;

/// Addresses that no branch reaches the kernel from.
const FAR: u32 = 0xe080_0000;
const FAR_INIT: u32 = 0xd080_0000;

/// The veneer at an address: its destination. It has to lie behind the sections of the text.
fn destination(module: &Loaded, veneer: u32, is_thumb: bool) -> u32 {
    assert!(veneer.is_multiple_of(4), "{veneer:#x}");
    if is_thumb {
        assert_eq!((module.half(veneer), module.half(veneer + 2)), (0xf8df, 0xf000));
    } else {
        assert_eq!(module.word(veneer), 0xe51f_f004);
    }
    module.word(veneer + 4)
}

/// Every call that `printk` and others get from the sample still reaches them from far away.
#[test]
fn a_sample_far_away_calls_the_same_functions() {
    for state in STATES {
        let mut kernel = Kernel::with(&KERNEL);
        let far = load_with(&object(state), &mut kernel, "", FAR, FAR_INIT).unwrap();
        let near = loaded(state);
        let is_thumb = state == "thumb";
        // printk, kmalloc and kfree from the core, printk, kmalloc and choose from init.
        assert_eq!(far.linked.veneers, 6, "{state}");

        let step = if is_thumb { 2 } else { 4 };
        let mut reached = Vec::new();
        for (near_base, far_base, len) in [(CORE, FAR, 0x140), (INIT, FAR_INIT, 0x90)] {
            for offset in (0..len).step_by(step) {
                let [near_to, far_to] = [(&near, near_base), (&far, far_base)].map(|(it, base)| {
                    let at = base + offset;
                    if is_thumb {
                        let (first, second) = (it.half(at), it.half(at + 2));
                        let is_branch = first >> 11 == 0b11110 && second >> 14 == 0b11;
                        is_branch.then(|| thumb_branch(first, second, at))
                    } else {
                        let word = it.word(at);
                        let is_branch = word >> 25 & 7 == 5;
                        is_branch.then(|| arm_branch(word, at))
                    }
                });
                // A place in the text near the kernel is one elsewhere far away.
                let Some((near_to, far_to)) = near_to.zip(far_to) else { continue };
                let in_area = |base: u32, to: u32| (base..base + 4096).contains(&to);
                if in_area(near_base, near_to) {
                    assert_eq!(near_to - near_base, far_to - far_base);
                } else {
                    assert!(in_area(far_base, far_to), "{state} {offset:#x}: {far_to:#x}");
                    let through = destination(&far, far_to & !1, is_thumb);
                    let wanted =
                        if in_area(CORE, near_to) { near_to - CORE + FAR } else { near_to };
                    assert_eq!(through, wanted, "{state} {offset:#x}");
                    reached.push(through);
                }
            }
        }
        for (name, address) in &KERNEL[..3] {
            assert!(reached.contains(address), "{state}: {name}");
        }
    }
}

/// An object with these branches to symbols, each of a type.
fn branches(branches: &[(u32, u32)], imports: &[&str]) -> Builder {
    let mut object = Builder::new();
    for name in imports {
        object.import(name);
    }
    let text = object.text(&[]);
    let mut relocations = Vec::new();
    for (kind, symbol) in branches {
        let word: [u8; 4] = match *kind {
            CALL => 0xebff_fffe_u32.to_le_bytes(),
            JUMP24 => 0xeaff_fffe_u32.to_le_bytes(),
            THM_CALL => [0xff, 0xf7, 0xfe, 0xff],
            _ => [0xff, 0xf7, 0xfe, 0xbf],
        };
        relocations.push((object.at(text).bytes.len() as u32, *kind, *symbol));
        object.at(text).bytes.extend(word);
    }
    object.relocate(text, &relocations);
    object
}

#[test]
fn branches_of_one_state_to_one_place_share_a_veneer() {
    let object = branches(
        &[(CALL, 1), (JUMP24, 1), (CALL, 1), (CALL, 2), (THM_CALL, 1), (THM_JUMP24, 1)],
        &["arm", "thumb"],
    );
    let symbols = [("arm", 0x8000_0000), ("thumb", 0x8000_0101)];
    let mut kernel = Kernel::with(&symbols);
    let module = load_with(&object.bytes(), &mut kernel, "", CORE, INIT).unwrap();
    assert_eq!(module.linked.veneers, 3);
    let arm = |offset| arm_branch(module.word(CORE + offset), CORE + offset);
    let thumb = |offset| {
        let at = CORE + offset;
        thumb_branch(module.half(at), module.half(at + 2), at)
    };
    assert_eq!((arm(4), arm(8)), (arm(0), arm(0)));
    assert_eq!(destination(&module, arm(0), false), 0x8000_0000);
    assert_eq!(destination(&module, arm(12), false), 0x8000_0101);
    assert_eq!(thumb(16), thumb(20));
    assert_eq!(destination(&module, thumb(16) - 1, true), 0x8000_0000);
}

#[test]
fn near_calls_change_state_and_near_jumps_need_a_veneer_for_it() {
    let object = branches(
        &[(CALL, 2), (THM_CALL, 1), (JUMP24, 2), (THM_JUMP24, 1), (CALL, 1), (THM_CALL, 2)],
        &["arm", "thumb"],
    );
    let symbols = [("arm", CORE + 0x10_0000), ("thumb", CORE + 0x10_0005)];
    let mut kernel = Kernel::with(&symbols);
    let module = load_with(&object.bytes(), &mut kernel, "", CORE, INIT).unwrap();
    let arm = |offset| arm_branch(module.word(CORE + offset), CORE + offset);
    let thumb = |offset| {
        let at = CORE + offset;
        thumb_branch(module.half(at), module.half(at + 2), at)
    };
    assert_eq!((arm(0), arm(16)), (symbols[1].1, symbols[0].1));
    assert_eq!((thumb(4), thumb(20)), (symbols[0].1, symbols[1].1));
    assert_eq!(destination(&module, arm(8), false), symbols[1].1);
    assert_eq!(destination(&module, thumb(12) - 1, true), symbols[0].1);
    assert_eq!(module.linked.veneers, 2);
}

#[test]
fn a_branch_past_a_symbol_has_a_veneer_of_its_own() {
    let mut object = branches(&[(CALL, 1), (CALL, 1)], &["arm"]);
    // The second one goes 16 bytes further.
    object.at(2).bytes[4..].copy_from_slice(&0xeb00_0002_u32.to_le_bytes());
    let mut kernel = Kernel::with(&[("arm", 0x8000_0000)]);
    let module = load_with(&object.bytes(), &mut kernel, "", CORE, INIT).unwrap();
    let to = [0, 4].map(|offset| arm_branch(module.word(CORE + offset), CORE + offset));
    assert_eq!(to.map(|veneer| destination(&module, veneer, false)), [0x8000_0000, 0x8000_0010]);
    assert_eq!(module.linked.veneers, 2);
}

#[test]
fn room_for_veneers_grows_with_different_places_only() {
    let many: Vec<_> = (0..3000).map(|_| (CALL, 1)).collect();
    let module = branches(&many, &["arm"]);
    let mut kernel = Kernel::with(&[("arm", 0x8000_0000)]);
    let module = load_with(&module.bytes(), &mut kernel, "", CORE, INIT).unwrap();
    assert_eq!(module.linked.veneers, 1);
    assert_eq!(module.core_sizes.text, 12288);
}
