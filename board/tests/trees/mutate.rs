//! Breaking device trees: one change at a time, half of them blind, half with an eye for structure.
//!
//! [`mutate`] takes any bytes, broken ones too, so that changes can be piled up and a fuzz target
//! can use it as its mutator: the random numbers all come from one seed.

/// A random number generator that gives the same numbers everywhere (SplitMix64).
pub struct Rng(pub u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn pick<T: Copy>(&mut self, list: &[T]) -> Option<T> {
        (!list.is_empty()).then(|| list[self.below(list.len())])
    }
}

/// Words that tend to be edges.
const EDGES: [u32; 18] = [
    0,
    1,
    2,
    3,
    4,
    5,
    8,
    9,
    31,
    40,
    0x1000,
    0x4000_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_f000,
    0xffff_fff4,
    0xffff_fffc,
    0xffff_ffff,
];

/// Changes `blob` in one place.
pub fn mutate(blob: &mut Vec<u8>, rng: &mut Rng) {
    if rng.below(2) == 0 { blind(blob, rng) } else { structured(blob, rng) }
}

fn blind(blob: &mut Vec<u8>, rng: &mut Rng) {
    if blob.is_empty() {
        return;
    }
    let at = rng.below(blob.len());
    match rng.below(8) {
        0..3 => blob[at] ^= 1 << rng.below(8),
        3 | 4 => blob[at] = rng.below(256) as u8,
        5 => {
            let edge = rng.pick(&EDGES).unwrap_or_default();
            set(blob, at & !3, edge);
        }
        6 => {
            let len = 1 + rng.below(16);
            let end = (at + len).min(blob.len());
            if rng.below(2) == 0 {
                blob.drain(at..end);
            } else {
                let chunk = blob[at..end].to_vec();
                blob.splice(at..at, chunk);
            }
        }
        _ => blob.truncate(at),
    }
}

/// Inserts a `NOP` before one of the tokens of nodes and properties; which one, `place` chooses.
pub fn insert_nop(blob: &mut Vec<u8>, place: usize) {
    let map = map(blob);
    let properties = map.properties.iter().map(|(at, _)| *at);
    let places: Vec<usize> = map.nodes.iter().copied().chain(properties).collect();
    if let Some(at) = places.get(place % places.len().max(1)).copied() {
        splice(blob, at..at, &4_u32.to_be_bytes());
    }
}

/// Where the parts of a tree are, as far as they can be made out.
#[derive(Default)]
struct Map {
    /// First bytes of node tokens (begin and end).
    nodes: Vec<usize>,
    /// First bytes of property tokens, and the lengths of their values.
    properties: Vec<(usize, usize)>,
}

const OFF_STRUCTURE: usize = 8;
const OFF_STRINGS: usize = 12;
const OFF_RESERVE_MAP: usize = 16;
const SIZE_STRUCTURE: usize = 36;

fn map(blob: &[u8]) -> Map {
    let mut map = Map::default();
    let mut at = get(blob, OFF_STRUCTURE).unwrap_or_default() as usize;
    while let Some(token) = get(blob, at) {
        let start = at;
        at += 4;
        match token {
            1 => {
                map.nodes.push(start);
                let name = blob[at..].iter().position(|byte| *byte == 0).unwrap_or_default();
                at += (name + 1).next_multiple_of(4);
            }
            2 => map.nodes.push(start),
            3 => {
                let Some(len) = get(blob, at).map(|len| len as usize) else {
                    break;
                };
                if len > blob.len() {
                    break;
                }
                map.properties.push((start, len));
                at += 8 + len.next_multiple_of(4);
            }
            4 => {}
            _ => break,
        }
    }
    map
}

fn structured(blob: &mut Vec<u8>, rng: &mut Rng) {
    let map = map(blob);
    let edge = rng.pick(&EDGES).unwrap_or_default();
    let property = rng.pick(&map.properties);
    let node = rng.pick(&map.nodes);
    match (rng.below(12), property, node) {
        // A header word, to an edge or by a little.
        (0, ..) => {
            let at = 4 * rng.below(10);
            let near = get(blob, at).unwrap_or_default().wrapping_add(edge);
            set(blob, at, if rng.below(2) == 0 { edge } else { near });
        }
        // A reservation.
        (1, ..) => {
            let at = get(blob, OFF_RESERVE_MAP).unwrap_or_default() as usize;
            set(blob, at.saturating_add(4 * rng.below(8)), edge);
        }
        // A cell of a value.
        (2..5, Some((at, len)), _) if len >= 4 => {
            set(blob, at + 12 + 4 * rng.below(len / 4), edge);
        }
        // A byte of a value, of a string perhaps.
        (5, Some((at, len)), _) if len >= 1 => {
            if let Some(byte) = blob.get_mut(at + 12 + rng.below(len)) {
                *byte = [0, b'/', b':', b'@', 0xff, b'0'][rng.below(6)];
            }
        }
        // Another property's name.
        (6, Some((at, _)), _) => {
            let other = rng.pick(&map.properties).and_then(|(other, _)| get(blob, other + 8));
            set(blob, at + 8, other.unwrap_or(edge));
        }
        // A value's length, the structure not following.
        (7, Some((at, _)), _) => set(blob, at + 4, edge),
        // A value made longer or shorter by a cell, the structure following.
        (8, Some((at, len)), _) => {
            if len % 4 == 0 && len > 0 && rng.below(2) == 0 {
                splice(blob, at + 12..at + 16, &[]);
                set(blob, at + 4, len as u32 - 4);
            } else {
                splice(blob, at + 12..at + 12, &edge.to_be_bytes());
                set(blob, at + 4, len as u32 + 4);
            }
        }
        // A property deleted, as boot loaders do it.
        (9, Some((at, len)), _) => {
            for word in 0..3 + len.div_ceil(4) {
                set(blob, at + 4 * word, 4);
            }
        }
        // A token that does nothing, inserted.
        (10, ..) => insert_nop(blob, rng.below(1 << 16)),
        // A token made another.
        (_, _, Some(at)) => set(blob, at, 1 + rng.below(5) as u32),
        _ => {}
    }
}

/// Replaces bytes of the structure block and moves what lies behind in the header's eyes.
fn splice(blob: &mut Vec<u8>, at: std::ops::Range<usize>, with: &[u8]) {
    if at.end > blob.len() {
        return;
    }
    let change = (with.len() as u32).wrapping_sub(at.len() as u32);
    blob.splice(at, with.iter().copied());
    for word in [4, OFF_STRINGS, SIZE_STRUCTURE] {
        let value = get(blob, word).unwrap_or_default();
        set(blob, word, value.wrapping_add(change));
    }
}

fn get(blob: &[u8], at: usize) -> Option<u32> {
    blob.get(at..)?.first_chunk().map(|word| u32::from_be_bytes(*word))
}

fn set(blob: &mut [u8], at: usize, value: u32) {
    if let Some(word) = blob.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        *word = value.to_be_bytes();
    }
}
