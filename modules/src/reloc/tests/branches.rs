//! Branches: each reaches what the manual says, and arrives there in the right state.

use proptest::prelude::*;

use super::model::{
    ARM_B, ARM_BL, ARM_BLX, ARM_LDR_DOWN, Format, Jump, THUMB_B1, THUMB_B2, THUMB_B3, THUMB_B4,
    THUMB_BL, THUMB_BLX, THUMB_LDR, execute,
};
use super::{place, word};
use crate::reloc::{Kind, Misfit, State, Symbol, veneer};

/// A branch of a certain form to code of a certain state.
struct Reach {
    kind: Kind,
    /// One such branch, to the instruction's own PC.
    branch: u32,
    to: State,
    lowest: i64,
    highest: i64,
}

const fn reach(kind: Kind, branch: u32, to: State, lowest: i64, highest: i64) -> Reach {
    Reach { kind, branch, to, lowest, highest }
}

/// Offsets from PC (for `BLX` of Thumb code from PC rounded down), ARM DDI 0406C, A8.8.18, A8.8.25.
const REACHES: [Reach; 18] = [
    reach(Kind::Call, 0xeb00_0000, State::Arm, -0x200_0000, 0x1ff_fffc),
    reach(Kind::Call, 0xeb00_0000, State::Thumb, -0x200_0000, 0x1ff_fffe),
    reach(Kind::Call, 0xfa00_0000, State::Arm, -0x200_0000, 0x1ff_fffc),
    reach(Kind::Call, 0xfa00_0000, State::Thumb, -0x200_0000, 0x1ff_fffe),
    reach(Kind::Call, 0x0b00_0000, State::Arm, -0x200_0000, 0x1ff_fffc),
    reach(Kind::Jump24, 0xea00_0000, State::Arm, -0x200_0000, 0x1ff_fffc),
    reach(Kind::Jump24, 0x1a00_0000, State::Arm, -0x200_0000, 0x1ff_fffc),
    reach(Kind::Jump24, 0x2b00_0000, State::Arm, -0x200_0000, 0x1ff_fffc),
    reach(Kind::Pc24, 0xea00_0000, State::Arm, -0x200_0000, 0x1ff_fffc),
    reach(Kind::Pc24, 0xeb00_0000, State::Thumb, -0x200_0000, 0x1ff_fffe),
    reach(Kind::ThmCall, 0xf000_f800, State::Thumb, -0x100_0000, 0xff_fffe),
    reach(Kind::ThmCall, 0xf000_f800, State::Arm, -0x100_0000, 0xff_fffc),
    reach(Kind::ThmCall, 0xf000_e800, State::Thumb, -0x100_0000, 0xff_fffe),
    reach(Kind::ThmCall, 0xf000_e800, State::Arm, -0x100_0000, 0xff_fffc),
    reach(Kind::ThmJump24, 0xf000_b800, State::Thumb, -0x100_0000, 0xff_fffe),
    reach(Kind::ThmJump19, 0xf2c0_8000, State::Thumb, -0x10_0000, 0xf_fffe),
    reach(Kind::ThmJump11, 0xe000, State::Thumb, -0x800, 0x7fe),
    reach(Kind::ThmJump8, 0xd300, State::Thumb, -0x100, 0xfe),
];

/// Forms, each with a name of its relocation.
const FORMS: [(Kind, Format); 13] = [
    (Kind::Call, ARM_BL),
    (Kind::Call, ARM_BLX),
    (Kind::Jump24, ARM_B),
    (Kind::Jump24, ARM_BL),
    (Kind::Pc24, ARM_B),
    (Kind::Pc24, ARM_BL),
    (Kind::Pc24, ARM_BLX),
    (Kind::ThmCall, THUMB_BL),
    (Kind::ThmCall, THUMB_BLX),
    (Kind::ThmJump24, THUMB_B4),
    (Kind::ThmJump19, THUMB_B3),
    (Kind::ThmJump11, THUMB_B2),
    (Kind::ThmJump8, THUMB_B1),
];

fn state_of(kind: Kind) -> State {
    if kind.name().contains("_THM_") { State::Thumb } else { State::Arm }
}

fn pc(kind: Kind, address: u32, to: State) -> u32 {
    match (state_of(kind), to) {
        (State::Arm, _) => address.wrapping_add(8),
        (State::Thumb, State::Thumb) => address.wrapping_add(4),
        (State::Thumb, State::Arm) => address.wrapping_add(4) & !3,
    }
}

/// Relocates the `branch` at `address` such that it goes `offset` from PC.
fn send(form: &Reach, address: u32, offset: i64) -> Result<Jump, Misfit> {
    let &Reach { kind, branch, to, .. } = form;
    let target = (i64::from(pc(kind, address, to)) + offset).rem_euclid(1 << 32) as u32;
    // The addend is 0, and counts from PC.
    let bias = if state_of(kind) == State::Arm { 8 } else { 4 };
    let symbol = Symbol { address: target.wrapping_sub(bias), is_thumb: to == State::Thumb };
    let mut bytes = place(kind, branch);
    assert_eq!(kind.destination(&bytes, symbol), target | u32::from(symbol.is_thumb));
    kind.apply(&mut bytes, address, symbol)?;
    let before = execute(state_of(kind), branch, address).unwrap();
    let jump = execute(state_of(kind), word(kind, &bytes), address).unwrap();
    assert_eq!(jump, Jump { to: target, state: to, ..before }, "{} at {address:#x}", kind.name());
    Ok(jump)
}

#[test]
fn branches_reach_all_of_their_range_and_no_more() {
    for form in &REACHES {
        let from = state_of(form.kind);
        let step = i64::from(form.to.align());
        let far = form.kind.branch_from().map(|_| Misfit::NeedsVeneer);
        // All, or as many as take a moment; every power of two; the ends.
        let stride = ((form.highest - form.lowest) / 5000 / step).max(1) | 1;
        let mut offsets: Vec<_> =
            (form.lowest..=form.highest).step_by((stride * step) as usize).collect();
        offsets.extend((1..25).flat_map(|bit| [1 << bit, -1 << bit]));
        offsets.extend((0..8).flat_map(|by| [form.lowest + by * step, form.highest - by * step]));
        offsets
            .retain(|offset| offset % step == 0 && (form.lowest..=form.highest).contains(offset));
        let addresses: &[u32] = match from {
            State::Arm => &[0, 0xbf00_0000, 0xffff_fffc],
            State::Thumb => &[0, 0xbf00_0000, 0xbf00_0002, 0xffff_fffe],
        };
        for &address in addresses {
            for &offset in &offsets {
                let sent = send(form, address, offset);
                assert!(sent.is_ok(), "{} {offset:#x}: {sent:?}", form.kind.name());
            }
            for beyond in [form.lowest - step, form.highest + step, 1 << 31, -0x6000_0000] {
                let misfit = send(form, address, beyond).unwrap_err();
                match far {
                    Some(far) => assert_eq!(misfit, far),
                    None => assert!(matches!(misfit, Misfit::OutOfRange { .. }), "{misfit:?}"),
                }
            }
        }
    }
}

/// What GNU as makes of branches to the ends of their reach, which GNU ld 2.40 does not use.
#[test]
fn the_last_halfwords_are_those_of_gnu_as() {
    let cases = [
        (Kind::ThmJump24, 0xf7ff_bffe, 0xff_fffe, State::Thumb, 0xf3ff_97ff),
        (Kind::ThmCall, 0xf7ff_fffe, 0xff_fffe, State::Thumb, 0xf3ff_d7ff),
        (Kind::ThmCall, 0xf7ff_effe, 0xff_fffc, State::Arm, 0xf3ff_c7fe),
        (Kind::ThmJump11, 0xe7fe, 0x7fe, State::Thumb, 0xe3ff),
        (Kind::ThmJump8, 0xd0fe, 0xfe, State::Thumb, 0xd07f),
        (Kind::ThmJump19, 0xf43f_affe, 0xf_fffe, State::Thumb, 0xf03f_afff),
    ];
    for (kind, before, offset, to, after) in cases {
        let address = 0x8000;
        let symbol = Symbol { address: address + 4 + offset, is_thumb: to == State::Thumb };
        let mut bytes = place(kind, before);
        assert_eq!(kind.apply(&mut bytes, address, symbol), Ok(()));
        assert_eq!(word(kind, &bytes), after, "{}", kind.name());
    }
}

/// `BLX` of Thumb code counts from PC rounded down: GNU ld 2.40 makes a veneer for this one.
#[test]
fn blx_at_an_odd_halfword_reaches_its_lowest_word() {
    let symbol = Symbol { address: 0x0700_0004, is_thumb: false };
    let mut bytes = place(Kind::ThmCall, 0xf7ff_fffe);
    assert_eq!(Kind::ThmCall.apply(&mut bytes, 0x0800_0002, symbol), Ok(()));
    assert_eq!(word(Kind::ThmCall, &bytes), 0xf400_c000);
    let below = Symbol { address: 0x0700_0000, is_thumb: false };
    let mut bytes = place(Kind::ThmCall, 0xf7ff_fffe);
    assert_eq!(Kind::ThmCall.apply(&mut bytes, 0x0800_0002, below), Err(Misfit::NeedsVeneer));
}

#[test]
fn only_an_unconditional_bl_changes_the_state() {
    let cases = [
        (Kind::Call, 0xebff_fffe, Ok(())),
        (Kind::Call, 0xfaff_fffe, Ok(())),
        (Kind::Call, 0x1bff_fffe, Err(Misfit::NeedsVeneer)),
        // The ABI has `JUMP24` for what may not become `BLX`.
        (Kind::Jump24, 0xebff_fffe, Err(Misfit::NeedsVeneer)),
        (Kind::Jump24, 0xeaff_fffe, Err(Misfit::NeedsVeneer)),
        (Kind::Jump24, 0x0bff_fffe, Err(Misfit::NeedsVeneer)),
        (Kind::Pc24, 0xebff_fffe, Ok(())),
        (Kind::Pc24, 0xfaff_fffe, Ok(())),
        (Kind::Pc24, 0xeaff_fffe, Err(Misfit::NeedsVeneer)),
        (Kind::Pc24, 0x1bff_fffe, Err(Misfit::NeedsVeneer)),
        (Kind::ThmCall, 0xf7ff_fffe, Ok(())),
        (Kind::ThmCall, 0xf7ff_effe, Ok(())),
        (Kind::ThmJump24, 0xf7ff_bffe, Err(Misfit::NeedsVeneer)),
        (Kind::ThmJump19, 0xf43f_affe, Err(Misfit::NeedsVeneer)),
        (Kind::ThmJump11, 0xe7fe, Err(Misfit::ChangesState { to: 0x8010 })),
        (Kind::ThmJump8, 0xd0fe, Err(Misfit::ChangesState { to: 0x8010 })),
    ];
    for (kind, branch, expected) in cases {
        let symbol = Symbol { address: 0x8010, is_thumb: state_of(kind) == State::Arm };
        let mut bytes = place(kind, branch);
        assert_eq!(kind.apply(&mut bytes, 0x8000, symbol), expected, "{branch:#x}");
    }
}

#[test]
fn a_branch_to_a_label_stays_in_its_state() {
    for (kind, format) in FORMS {
        let branch = format.fill(0xe000_0000);
        let label = Symbol::label(0x8010, kind);
        assert_eq!(label.state(), state_of(kind));
        let before = execute(state_of(kind), branch, 0x8000).unwrap();
        let mut bytes = place(kind, branch);
        let label =
            Symbol { address: label.address.wrapping_sub_signed(kind.addend(&bytes)), ..label };
        assert_eq!(kind.apply(&mut bytes, 0x8000, label), Ok(()), "{}", kind.name());
        let after = execute(state_of(kind), word(kind, &bytes), 0x8000).unwrap();
        let to = pc(kind, 0x8010, state_of(kind));
        assert_eq!(after, Jump { to, state: state_of(kind), ..before });
    }
    for kind in [Kind::Abs32, Kind::Rel32, Kind::ThmMovwAbsNc, Kind::Prel31] {
        assert!(!Symbol::label(0x8010, kind).is_thumb);
    }
}

#[test]
fn a_branch_to_a_veneer_keeps_its_state_and_condition() {
    for (kind, branch) in [
        (Kind::Call, 0xebff_fffe),
        (Kind::Call, 0xfaff_fffe),
        (Kind::Call, 0x1bff_fffe),
        (Kind::Jump24, 0xeaff_fffe),
        (Kind::Jump24, 0x3aff_fffe),
        (Kind::Jump24, 0x3bff_fffe),
        (Kind::ThmCall, 0xf7ff_fffe),
        (Kind::ThmCall, 0xf7ff_effe),
        (Kind::ThmJump24, 0xf7ff_bffe),
        (Kind::ThmJump19, 0xf43f_affe),
    ] {
        let state = state_of(kind);
        assert_eq!(kind.branch_from(), Some(state));
        for is_thumb in [false, true] {
            let mut bytes = place(kind, branch);
            let symbol = Symbol { address: 0xc000_1230, is_thumb };
            assert_eq!(kind.apply(&mut bytes, 0xf000_0000, symbol), Err(Misfit::NeedsVeneer));
            assert_eq!(bytes, place(kind, branch));
            assert_eq!(kind.apply_veneer(&mut bytes, 0xf000_0000, 0xf000_4008), Ok(()));
            let before = execute(state, branch, 0xf000_0000).unwrap();
            let after = execute(state, word(kind, &bytes), 0xf000_0000).unwrap();
            assert_eq!(after, Jump { to: 0xf000_4008, state, ..before });
        }
    }
}

#[test]
fn a_veneer_loads_pc_from_its_second_word() {
    for destination in [0, 0xc000_8000, 0xc000_8001, u32::MAX] {
        let arm = veneer::write(State::Arm, destination);
        let code = u32::from_le_bytes(arm[..4].try_into().unwrap());
        assert!(ARM_LDR_DOWN.matches(code));
        assert_eq!((code >> 28, ARM_LDR_DOWN.field(code, 't')), (0b1110, 15));
        // PC is 8 ahead.
        assert_eq!(8 - ARM_LDR_DOWN.field(code, 'l'), 4);
        assert_eq!(arm[4..], destination.to_le_bytes());

        let thumb = veneer::write(State::Thumb, destination);
        let code = word(Kind::ThmCall, &thumb[..4]);
        assert!(THUMB_LDR.matches(code));
        assert_eq!(THUMB_LDR.field(code, 't'), 15);
        // PC is 4 ahead, and a multiple of 4.
        assert_eq!(4 + THUMB_LDR.field(code, 'l'), 4);
        assert_eq!(thumb[4..], destination.to_le_bytes());
    }
}

/// Nothing happens, in as many bytes, and no flag or register is changed.
#[test]
fn a_branch_to_nobody_is_a_nop() {
    for (kind, branch, nop) in [
        (Kind::Call, 0xebff_fffe, 0xe320_f000),
        // `BLX` has no condition: its bits there are part of the instruction.
        (Kind::Call, 0xfaff_fffe, 0xe320_f000),
        (Kind::Call, 0x0bff_fffe, 0x0320_f000),
        (Kind::Jump24, 0xcaff_fffe, 0xc320_f000),
        (Kind::Pc24, 0xeaff_fffe, 0xe320_f000),
        (Kind::ThmCall, 0xf7ff_effe, 0xf3af_8000),
        (Kind::ThmJump24, 0xf7ff_bffe, 0xf3af_8000),
        (Kind::ThmJump19, 0xf43f_affe, 0xf3af_8000),
        (Kind::ThmJump11, 0xe7fe, 0xbf00),
        (Kind::ThmJump8, 0xd0fe, 0xbf00),
    ] {
        let mut bytes = place(kind, branch);
        assert_eq!(kind.apply_undefined_weak(&mut bytes, 0xbf00_0000), Ok(()));
        assert_eq!(word(kind, &bytes), nop, "{}", kind.name());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// Any branch, with any addend, from anywhere to anywhere.
    #[test]
    fn a_branch_arrives_or_says_why(
        (kind, format) in prop::sample::select(&FORMS[..]),
        random: u32,
        address: u32,
        // About as far as some reach, or anywhere.
        distance in prop_oneof![
            -0x120..0x120,
            -0x900..0x900,
            -0x11_0000..0x11_0000,
            -0x120_0000..0x120_0000,
            -0x220_0000..0x220_0000,
            any::<i32>(),
        ],
        to in prop::sample::select(&[State::Arm, State::Thumb][..]),
    ) {
        let from = state_of(kind);
        let branch = format.fill(random);
        let address = address & !(from.align() - 1);
        let before = execute(from, branch, address)
            // `BLX` is no jump.
            .filter(|jump| kind != Kind::Jump24 || jump.state == from);
        let Some(before) = before else {
            // A condition of 111x.
            let result = kind.apply(&mut place(kind, branch), address, Symbol::function(0));
            prop_assert_eq!(result, Err(Misfit::NotAnInstruction { word: branch }));
            return Ok(());
        };
        let addend = kind.addend(&place(kind, branch));
        // The addend is what it goes from PC, but for H, the last halfword of a `BLX` of ARM code.
        let halfword = if from == State::Arm { before.to & 2 } else { 0 };
        let addend_to = pc(kind, address, before.state).wrapping_add_signed(addend);
        prop_assert_eq!(before.to - halfword, addend_to);

        let is_thumb = to == State::Thumb;
        let target = address.wrapping_add_signed(distance) & !(to.align() - 1);
        let bias = if from == State::Arm { 8 } else { 4 };
        let symbol_address = target.wrapping_sub_signed(addend).wrapping_sub(bias);
        let symbol = Symbol { address: symbol_address, is_thumb };
        let mut bytes = place(kind, branch);
        prop_assert_eq!(kind.destination(&bytes, symbol), target | u32::from(is_thumb));
        let offset = i64::from(target.wrapping_sub(pc(kind, address, to)) as i32);
        let half = match kind {
            Kind::Call | Kind::Jump24 | Kind::Pc24 => 1 << 25,
            Kind::ThmCall | Kind::ThmJump24 => 1 << 24,
            Kind::ThmJump19 => 1 << 20,
            Kind::ThmJump11 => 1 << 11,
            _ => 1 << 8,
        };
        let is_call = before.links && before.condition == 0b1110 && kind != Kind::Jump24;
        let reaches = (-half..half).contains(&offset) && (to == from || is_call);
        match kind.apply(&mut bytes, address, symbol) {
            Ok(()) => {
                let after = execute(from, word(kind, &bytes), address).unwrap();
                prop_assert_eq!(after, Jump { to: target, state: to, ..before });
                prop_assert!(reaches);
            }
            Err(misfit) => {
                prop_assert_eq!(bytes, place(kind, branch));
                prop_assert!(!reaches);
                let veneer = misfit == Misfit::NeedsVeneer;
                prop_assert_eq!(veneer, kind.branch_from().is_some(), "{}", misfit);
            }
        }
    }
}
