use super::*;
use crate::dt::{Tree, blob::Blob};

/// A small tree in which every kind of token but `NOP` occurs.
fn sound() -> Blob {
    let mut blob = Blob::new();
    blob.reserve(0x1000, 0x1000);
    blob.begin("").text("model", "m").begin("a@1").cells("reg", &[1]).end().begin("b").end().end();
    blob
}

fn fault(blob: &mut [u8]) -> Malformed {
    Tree::parse(blob).map(drop).unwrap_err()
}

fn fault_of(build: impl FnOnce(&mut Blob)) -> Malformed {
    let mut blob = Blob::new();
    build(&mut blob);
    fault(&mut blob.finish())
}

fn set(blob: &mut [u8], at: usize, value: u32) {
    blob[at..at + 4].copy_from_slice(&value.to_be_bytes());
}

/// `sound`, with the header word at `at` set to `value`.
fn with_header(at: usize, value: u32) -> Malformed {
    let mut blob = sound().finish();
    set(&mut blob, at, value);
    fault(&mut blob)
}

const STRUCTURE: u32 = 40 + 32;

#[test]
fn a_sound_tree_passes_and_is_not_written_to() {
    let before = sound().finish();
    let mut blob = before.clone();
    assert_eq!(Tree::parse(&mut blob).unwrap().total_size() as usize, before.len());
    assert_eq!(blob, before);
}

#[test]
fn bytes_behind_the_tree_are_not_looked_at() {
    let mut blob = sound().finish();
    let len = blob.len() as u32;
    blob.extend_from_slice(&[0xff; 100]);
    assert_eq!(total_size(&blob), Ok(len));
    assert_eq!(Tree::parse(&mut blob).unwrap().total_size(), len);
}

#[test]
fn every_cut_is_noticed() {
    let blob = sound().finish();
    for len in 0..blob.len() {
        let want = match len {
            0..40 => Malformed::NoHeader { len: len as u64 },
            _ => Malformed::Truncated { total_size: blob.len() as u32, len: len as u64 },
        };
        assert_eq!(fault(&mut blob[..len].to_vec()), want);
    }
    assert_eq!(total_size(&blob[..7]), Err(Malformed::NoHeader { len: 7 }));
}

#[test]
fn a_total_size_that_cuts_a_block_off_is_noticed() {
    let whole = sound().finish();
    for total in 0..whole.len() as u32 {
        let mut blob = whole.clone();
        set(&mut blob, 4, total);
        Tree::parse(&mut blob).map(drop).unwrap_err();
    }
}

#[test]
fn magic_and_version_must_be_known() {
    assert_eq!(with_header(0, 0xedfe_0dd0), Malformed::Magic { value: 0xedfe_0dd0 });
    assert_eq!(total_size(&[0; 8]), Err(Malformed::Magic { value: 0 }));
    for version in [0, 15] {
        assert_eq!(with_header(20, version), Malformed::Version { version, last_compatible: 16 });
    }
    assert_eq!(with_header(24, 18), Malformed::Version { version: 17, last_compatible: 18 });
    let mut newer = sound().finish();
    set(&mut newer, 20, 18);
    assert!(Tree::parse(&mut newer).is_ok(), "18 that 17 can read");
}

#[test]
fn blocks_must_lie_inside_the_tree() {
    let total_size = sound().finish().len() as u32;
    for (at, block, offset) in [
        (8, Block::Structure, u32::MAX - 3),
        (12, Block::Strings, u32::MAX),
        (16, Block::ReserveMap, u32::MAX - 7),
    ] {
        match with_header(at, offset) {
            Malformed::BlockOutside { block: got, offset: at, total_size: size, .. } => {
                assert_eq!((got, at, size), (block, offset, total_size));
            }
            other => panic!("{other:?}"),
        }
    }
    // Sums that wrap to something small in 32 bits.
    for (at, block) in [(32, Block::Strings), (36, Block::Structure)] {
        match with_header(at, u32::MAX - 3) {
            Malformed::BlockOutside { block: got, len, .. } => {
                assert_eq!((got, len), (block, u64::from(u32::MAX) - 3));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn blocks_must_be_aligned() {
    let misaligned = |block, offset, align| Malformed::BlockMisaligned { block, offset, align };
    assert_eq!(with_header(16, 44), misaligned(Block::ReserveMap, 44, 8));
    let mut blob = sound().finish();
    set(&mut blob, 8, STRUCTURE + 2);
    let size = be32(&blob, 36).unwrap();
    set(&mut blob, 36, size - 4);
    assert_eq!(fault(&mut blob), misaligned(Block::Structure, STRUCTURE + 2, 4));
}

#[test]
fn blocks_must_not_share_bytes() {
    let overlap = |first, second, offset| Malformed::BlocksOverlap { first, second, offset };
    let mut strings_in_structure = sound().finish();
    let strings = be32(&strings_in_structure, 12).unwrap();
    let size = be32(&strings_in_structure, 32).unwrap();
    set(&mut strings_in_structure, 12, strings - 4);
    set(&mut strings_in_structure, 32, size + 4);
    // The names have moved by the four bytes of the end token: point the properties there.
    let structure = STRUCTURE as usize..strings as usize;
    let mut at = structure.start;
    while at < structure.end {
        if be32(&strings_in_structure, at) == Some(3) {
            let name = be32(&strings_in_structure, at + 8).unwrap();
            set(&mut strings_in_structure, at + 8, name + 4);
        }
        at += 4;
    }
    assert_eq!(
        fault(&mut strings_in_structure),
        overlap(Block::Structure, Block::Strings, u64::from(strings) - 4)
    );

    // A reservation block that starts in the header: its first entry is made of header words.
    let mut blob = Blob::new();
    blob.reserve(0, 0).begin("").end();
    let mut blob = blob.finish();
    set(&mut blob, 16, 40 - 8);
    assert_eq!(fault(&mut blob), overlap(Block::Header, Block::ReserveMap, 32));
}

#[test]
fn the_reserve_map_must_end() {
    let mut blob = Blob::new();
    blob.begin("").end();
    let mut blob = blob.finish();
    let len = blob.len() as u64;
    set(&mut blob, 40, 1);
    assert_eq!(fault(&mut blob), Malformed::ReserveMapOpen { offset: len });
}

#[test]
fn the_structure_must_end_where_its_tokens_do() {
    let cut = fault_of(|b| {
        b.begin("").end();
        b.close = false;
    });
    assert_eq!(cut, Malformed::StructureCut { offset: 56 + 12 });
    let empty = fault_of(|b| b.close = false);
    assert_eq!(empty, Malformed::StructureCut { offset: 56 });
    let root = fault_of(|_| ());
    assert_eq!(root, Malformed::NoRoot { offset: 56 });
    let value = fault_of(|b| _ = b.begin("").token(3).token(100).token(0).end());
    assert_eq!(value, Malformed::StructureCut { offset: 56 + 8 });
    for len in [u32::MAX, u32::MAX - 3, u32::MAX - 11, u32::MAX - 15] {
        let wrapped = fault_of(|b| _ = b.begin("").token(3).token(len).token(0).end());
        assert_eq!(wrapped, Malformed::StructureCut { offset: 56 + 8 }, "{len:#x}");
    }
    let half = fault_of(|b| {
        b.begin("").token(3);
        b.close = false;
    });
    assert_eq!(half, Malformed::StructureCut { offset: 56 + 8 });
}

#[test]
fn tokens_must_be_known() {
    // 5 is what `fdt` takes for the end token.
    for value in [0, 5, 10, 0x0100_0000] {
        let got = fault_of(|b| _ = b.begin("").token(value).end());
        assert_eq!(got, Malformed::Token { offset: 56 + 8, value });
    }
}

#[test]
fn names_of_nodes_must_be_text_and_end() {
    let bad = |name: &[u8]| {
        let name = [name, b"\0"].concat();
        fault_of(|b| _ = b.begin("").token(1).raw(&name).end().end())
    };
    for byte in [b' ', b'/', 0x1b, 0x7f, 0x80, 0xff] {
        assert_eq!(bad(&[b'a', byte]), Malformed::NodeName { offset: 64, byte });
    }
    assert_eq!(bad(b""), Malformed::NodeNameEmpty { offset: 64 });
    let open = fault_of(|b| {
        b.begin("").token(1).raw(b"abcd");
        b.close = false;
    });
    assert_eq!(open, Malformed::NodeNameOpen { offset: 64 });
    assert_eq!(fault_of(|b| _ = b.begin("r").end()), Malformed::RootNamed { offset: 56 });
}

#[test]
fn nodes_must_balance() {
    let second = fault_of(|b| _ = b.begin("").end().begin("").end());
    assert_eq!(second, Malformed::SecondRoot { offset: 68 });
    let open = fault_of(|b| _ = b.begin("").begin("a"));
    assert_eq!(open, Malformed::NodeNotClosed { offset: 72, depth: 2 });
    let closed = fault_of(|b| _ = b.begin("").end().end());
    assert_eq!(closed, Malformed::NodeNotOpen { offset: 68 });
}

fn nested(depth: u32) -> Vec<u8> {
    let mut blob = Blob::new();
    blob.begin("");
    (1..depth).for_each(|_| _ = blob.begin("n"));
    (0..depth).for_each(|_| _ = blob.end());
    blob.finish()
}

#[test]
fn nesting_has_a_limit() {
    assert!(Tree::parse(&mut nested(MAX_DEPTH)).is_ok());
    let offset = 56 + 8 * u64::from(MAX_DEPTH);
    for depth in [MAX_DEPTH + 1, 1000, 100_000] {
        assert_eq!(fault(&mut nested(depth)), Malformed::TooDeep { offset });
    }
}

#[test]
fn properties_come_first_and_inside() {
    let after = fault_of(|b| _ = b.begin("").begin("a").end().text("p", "").end());
    assert_eq!(after, Malformed::PropertyPlace { offset: 76 });
    let before = fault_of(|b| _ = b.text("p", "").begin("").end());
    assert_eq!(before, Malformed::PropertyPlace { offset: 56 });
    let behind = fault_of(|b| _ = b.begin("").end().text("p", ""));
    assert_eq!(behind, Malformed::PropertyPlace { offset: 68 });
}

#[test]
fn names_of_properties_must_be_text_and_end() {
    let named = |strings: &[u8], name_offset: usize| {
        let mut blob = Blob::new();
        blob.begin("").property_at(name_offset, b"").end();
        blob.strings = strings.to_vec();
        Tree::parse(&mut blob.finish()).map(drop)
    };
    let open = |name_offset| Err(Malformed::PropertyNameOpen { offset: 64, name_offset });
    let bad = |name_offset| Err(Malformed::PropertyName { offset: 64, name_offset });
    assert_eq!(named(b"name\0", 0), Ok(()));
    assert_eq!(named(b"name\0", 3), Ok(()));
    assert_eq!(named(b"name\0", 4), bad(4));
    assert_eq!(named(b"name\0", 5), open(5));
    assert_eq!(named(b"name\0", u32::MAX as usize), open(u32::MAX));
    assert_eq!(named(b"name", 0), open(0));
    for byte in [b' ', b'/', 7, 0x7f, 0xc3] {
        assert_eq!(named(&[b'n', byte, 0], 0), bad(0));
    }
    let long = |len| [vec![b'n'; len], vec![0]].concat();
    assert_eq!(named(&long(MAX_PROPERTY_NAME), 0), Ok(()));
    assert_eq!(named(&long(MAX_PROPERTY_NAME + 1), 0), open(0));
}

/// `NOP`s wherever one may stand.
fn with_nops() -> Blob {
    let mut blob = Blob::new();
    blob.reserve(0x1000, 0x1000);
    blob.nop().begin("").nop().nop().text("model", "m").nop();
    blob.begin("a@1").nop().cells("reg", &[1]).nop().end().nop();
    blob.begin("b").nop().end().nop().end().nop();
    blob
}

#[test]
fn nops_leave_no_trace() {
    let (mut plain, mut holed) = (sound().finish(), with_nops().finish());
    let saved = 4 * 10;
    assert_eq!(holed.len(), plain.len() + saved);
    let tree = Tree::parse(&mut holed).unwrap();
    let names = |tree: &Tree<'_>| -> Vec<String> {
        let root = tree.root().unwrap();
        root.children().map(|node| format!("{} {:?}", node.name(), node.value("reg"))).collect()
    };
    assert_eq!(names(&tree), ["a@1 Some([0, 0, 0, 1])", "b None"]);
    assert_eq!(tree.model(), Ok(Some("m")));
    let want = Tree::parse(&mut plain).map(|tree| names(&tree)).unwrap();
    assert_eq!(names(&tree), want);

    // The tokens are the very bytes that they are in the plain tree.
    let structure = |blob: &[u8]| {
        let (at, len) = (be32(blob, 8).unwrap() as usize, be32(blob, 36).unwrap() as usize);
        blob[at..at + len].to_vec()
    };
    assert_eq!(structure(&holed), structure(&plain));
    // Once squeezed, the tree is a tree like any other.
    let squeezed = holed.clone();
    assert!(Tree::parse(&mut holed).is_ok());
    assert_eq!(holed, squeezed);
}

#[test]
fn a_nop_in_a_value_is_a_value() {
    let mut blob = Blob::new();
    blob.begin("").nop().cells("p", &[4, 4, 9, 2]).begin("a").end().end();
    let mut bytes = blob.finish();
    let tree = Tree::parse(&mut bytes).unwrap();
    let root = tree.root().unwrap();
    assert_eq!(root.value("p").unwrap(), [0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 9, 0, 0, 0, 2]);
    assert_eq!(root.children().count(), 1);
}

#[test]
fn version_16_lacks_a_word_that_is_filled_in() {
    for build in [sound, with_nops] {
        let mut blob = build();
        blob.version = 16;
        let mut bytes = blob.finish();
        let tree = Tree::parse(&mut bytes).unwrap();
        assert_eq!(tree.root().unwrap().children().count(), 2);
        assert_eq!(be32(&bytes, 36), be32(&sound().finish(), 36));
    }
    // Its structure block has no bound but the end of the tree, so a lost end token is found there.
    let mut blob = sound();
    (blob.version, blob.close) = (16, false);
    assert!(matches!(fault(&mut blob.finish()), Malformed::Token { .. }));
}

/// A mebibyte of properties that share one long name: reading them all stays quick.
#[test]
fn long_names_do_not_make_it_slow() {
    let mut blob = Blob::new();
    blob.strings = [vec![b'n'; MAX_PROPERTY_NAME], vec![0]].concat();
    blob.begin("");
    (0..80_000).for_each(|_| _ = blob.property_at(0, b""));
    blob.end();
    let mut bytes = blob.finish();
    let tree = Tree::parse(&mut bytes).unwrap();
    assert!(!tree.root().unwrap().has("reg"));
}

#[test]
fn every_fault_has_a_text_that_names_its_place() {
    let text = with_header(0, 0x1234).to_string();
    assert_eq!(text, "bad magic 0x00001234, expected 0xd00dfeed");
    let text = fault(&mut nested(33)).to_string();
    assert_eq!(text, "node at offset 0x138 is nested deeper than 32 levels");
    let text = fault_of(|b| _ = b.begin("").token(5).end()).to_string();
    assert_eq!(text, "unknown token 0x5 at offset 0x40");
}
