//! What an object may do wrong: it gets an answer, and its bytes back.

use proptest::prelude::*;

use super::place;
use crate::reloc::{Kind, Misfit, State, Symbol};

const SOMETHING: Symbol = Symbol { address: 0xbf00_0100, is_thumb: false };

#[test]
fn every_number_has_one_kind_or_none() {
    let known: Vec<_> = (0..=300).filter_map(Kind::from_elf).collect();
    assert_eq!(known.len(), Kind::ALL.len());
    for kind in Kind::ALL {
        assert_eq!(known.iter().filter(|known| **known == kind).count(), 1);
        assert_eq!(Kind::ALL.iter().filter(|other| other.name() == kind.name()).count(), 1);
    }
    assert_eq!(Kind::from_elf(u32::MAX), None);
    // R_ARM_GOT_BREL: code for shared libraries.
    assert_eq!(Kind::from_elf(26), None);
}

#[test]
fn places_have_the_instruction_set_s_alignment() {
    for kind in Kind::ALL {
        let (bytes, align) = match kind.name() {
            "R_ARM_NONE" => (0, 1),
            "R_ARM_THM_JUMP11" | "R_ARM_THM_JUMP8" => (2, 2),
            name if name.contains("_THM_") => (4, 2),
            "R_ARM_ABS32" | "R_ARM_REL32" | "R_ARM_TARGET1" | "R_ARM_PREL31" => (4, 1),
            _ => (4, 4),
        };
        assert_eq!((kind.bytes(), kind.align()), (bytes, align), "{}", kind.name());
        if align > 1 {
            let address = 0xbf00_0000 + align / 2;
            let misfit = Err(Misfit::Misaligned { address, multiple_of: align });
            let mut bytes = vec![0; bytes];
            assert_eq!(kind.apply(&mut bytes, address, SOMETHING), misfit);
            assert_eq!(kind.apply_undefined_weak(&mut bytes, address), misfit);
            if kind.branch_from().is_some() {
                assert_eq!(kind.apply_veneer(&mut bytes, address, 0xbf00_0000), misfit);
            }
        }
    }
}

#[test]
fn another_instruction_is_refused() {
    for (kind, words) in [
        // b, bx lr, undefined with a condition of 1111
        (Kind::Call, &[0xeaff_fffe, 0xe12f_ff1e, 0xf3ff_fffe][..]),
        // blx, mov, bx lr
        (Kind::Jump24, &[0xfaff_fffe, 0xe1a0_0000, 0xe12f_ff1e]),
        (Kind::Pc24, &[0xe1a0_0000, 0]),
        // bxj lr, blx lr, an unconditional instruction
        (Kind::V4bx, &[0xe12f_ff2e, 0xe12f_ff3e, 0xf12f_ff1e]),
        // movt, mov, a condition of 1111
        (Kind::MovwAbsNc, &[0xe340_0000, 0xe3a0_0000, 0xf300_0000]),
        (Kind::MovwPrelNc, &[0xe340_0000, 0xe3a0_0000]),
        (Kind::MovtAbs, &[0xe300_0000, 0xf340_0000]),
        (Kind::MovtPrel, &[0xe300_0000]),
        // b.w, blx with bit 0, nop.w
        (Kind::ThmCall, &[0xf7ff_bffe, 0xf7ff_efff, 0xf3af_8000, 0]),
        // bl, b<c>.w
        (Kind::ThmJump24, &[0xf7ff_fffe, 0xf43f_affe]),
        // b.w, conditions of 1110 and 1111, which are `msr` and `mrs`
        (Kind::ThmJump19, &[0xf7ff_bffe, 0xf380_8000, 0xf3ef_8000]),
        // b<c>, bl's first half
        (Kind::ThmJump11, &[0xd0fe, 0xf7ff]),
        // b, udf, svc
        (Kind::ThmJump8, &[0xe7fe, 0xde00, 0xdf00]),
        (Kind::ThmMovwAbsNc, &[0xf2c0_0000, 0xf240_8000, 0xf04f_0000]),
        (Kind::ThmMovwPrelNc, &[0xf2c0_0000]),
        (Kind::ThmMovtAbs, &[0xf240_0000]),
        (Kind::ThmMovtPrel, &[0xf240_0000]),
    ] {
        for &word in words {
            let misfit = Err(Misfit::NotAnInstruction { word });
            let mut bytes = place(kind, word);
            assert_eq!(kind.apply(&mut bytes, 0xbf00_0000, SOMETHING), misfit, "{}", kind.name());
            assert_eq!(kind.apply_undefined_weak(&mut bytes, 0xbf00_0000), misfit);
            if kind.branch_from().is_some() {
                assert_eq!(kind.apply_veneer(&mut bytes, 0xbf00_0000, 0xbf00_0000), misfit);
            }
            assert_eq!(bytes, place(kind, word));
        }
    }
}

#[test]
fn destinations_are_whole_instructions() {
    for (kind, word, address, is_thumb, multiple_of) in [
        (Kind::Call, 0xebff_fffe, 0xbf00_0102, false, 4),
        (Kind::Jump24, 0x1aff_fffe, 0xbf00_0101, false, 4),
        (Kind::Call, 0xebff_fffe, 0xbf00_0101, true, 2),
        (Kind::ThmCall, 0xf7ff_fffe, 0xbf00_0102, false, 4),
        (Kind::ThmCall, 0xf7ff_fffe, 0xbf00_0101, true, 2),
        // Far, and yet not a matter for a veneer: it would go nowhere.
        (Kind::Jump24, 0xeaff_fffe, 0x1000_0002, false, 4),
        (Kind::ThmJump24, 0xf7ff_bffe, 0x1000_0002, false, 4),
    ] {
        let symbol = Symbol { address, is_thumb };
        let misfit = Err(Misfit::Misaligned { address, multiple_of });
        assert_eq!(kind.apply(&mut place(kind, word), 0xbf00_0000, symbol), misfit);
    }
}

#[test]
fn veneers_are_near_and_aligned() {
    let mut bytes = place(Kind::ThmJump19, 0xf43f_affe);
    let far = Misfit::OutOfRange { from: 0xbf00_0000, to: 0xbf20_0000 };
    assert_eq!(Kind::ThmJump19.apply_veneer(&mut bytes, 0xbf00_0000, 0xbf20_0000), Err(far));
    let odd = Misfit::Misaligned { address: 0xbf00_0402, multiple_of: 4 };
    assert_eq!(Kind::ThmJump19.apply_veneer(&mut bytes, 0xbf00_0000, 0xbf00_0402), Err(odd));
    assert_eq!(bytes, place(Kind::ThmJump19, 0xf43f_affe));
    for kind in Kind::ALL {
        if kind.branch_from().is_none() {
            let mut bytes = vec![0; kind.bytes()];
            let result = kind.apply_veneer(&mut bytes, 0xbf00_0000, 0xbf00_0400);
            assert_eq!(result, Err(Misfit::TakesNoVeneer), "{}", kind.name());
        }
    }
}

#[test]
fn marks_and_names_change_nothing() {
    assert_eq!(Kind::None.apply(&mut [], 0xbf00_0001, SOMETHING), Ok(()));
    let mut bx = place(Kind::V4bx, 0x112f_ff13);
    assert_eq!(Kind::V4bx.apply(&mut bx, 0xbf00_0000, SOMETHING), Ok(()));
    assert_eq!(bx, place(Kind::V4bx, 0x112f_ff13));
}

#[test]
fn messages_name_what_is_wrong() {
    for (misfit, message) in [
        (Misfit::NeedsVeneer, "the branch needs a veneer"),
        (
            Misfit::OutOfRange { from: 0xbf00_0000, to: 0x8001 },
            "0x00008001 is out of range from 0xbf000000",
        ),
        (
            Misfit::Misaligned { address: 0xbf00_0002, multiple_of: 4 },
            "0xbf000002 is not a multiple of 4",
        ),
        (
            Misfit::NotAnInstruction { word: 0xbf00 },
            "0x0000bf00 is not the instruction that the relocation is for",
        ),
        (
            Misfit::ChangesState { to: 0xc000_8000 },
            "the short branch cannot change the state for 0xc0008000",
        ),
        (Misfit::TakesNoVeneer, "the relocation takes no veneer"),
        (Misfit::PlaceSize { bytes: 3, expected: 4 }, "the place has 3 bytes, not 4"),
    ] {
        assert_eq!(misfit.to_string(), message);
    }
}

#[test]
fn functions_say_their_state_in_bit_0() {
    assert_eq!(Symbol::function(0x8001), Symbol { address: 0x8000, is_thumb: true });
    assert_eq!(Symbol::function(0x8002), Symbol { address: 0x8002, is_thumb: false });
    assert_eq!(Symbol::function(0x8001).state(), State::Thumb);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8192))]

    /// Nor does a refused relocation change them.
    #[test]
    fn no_bytes_make_it_panic(
        kind in prop::sample::select(&Kind::ALL[..]),
        bytes: [u8; 4],
        length in prop_oneof![4 => Just(None), 1 => (0..=4_usize).prop_map(Some)],
        address: u32,
        address_bits in prop_oneof![Just(!3_u32), Just(!0)],
        symbol: u32,
        is_thumb: bool,
        veneer: u32,
    ) {
        let bytes = &bytes[..length.unwrap_or(kind.bytes())];
        let address = address & address_bits;
        let symbol = Symbol { address: symbol, is_thumb };
        let _ = kind.addend(bytes);
        let _ = kind.destination(bytes, symbol);
        let unchanged = |result: Result<(), Misfit>, after: &[u8]| {
            result.is_ok() || after == bytes
        };
        let mut copy = bytes.to_vec();
        let result = kind.apply(&mut copy, address, symbol);
        prop_assert!(unchanged(result, &copy));
        prop_assert!(result != Err(Misfit::NeedsVeneer) || kind.branch_from().is_some());
        if bytes.len() != kind.bytes() && kind != Kind::None {
            prop_assert!(result.is_err());
        }
        let mut copy = bytes.to_vec();
        prop_assert!(unchanged(kind.apply_veneer(&mut copy, address, veneer), &copy));
        let mut copy = bytes.to_vec();
        prop_assert!(unchanged(kind.apply_undefined_weak(&mut copy, address), &copy));
    }
}
