//! Breaking device trees: one change at a time, with an eye for structure or blind.
//!
//! Every function takes any bytes, broken ones too, so that changes can be piled up and a fuzz
//! target can use [`mutate`] as its mutator: the random numbers all come from one seed.

use super::map::{Map, NOP, Node, OFF_RESERVE_MAP, Property, get, set, splice, word};

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

    fn pick<'l, T>(&mut self, list: &'l [T]) -> Option<&'l T> {
        (!list.is_empty()).then(|| &list[self.below(list.len())])
    }

    /// A word that tends to be an edge.
    fn edge(&mut self) -> u32 {
        self.pick(&EDGES).copied().unwrap_or_default()
    }
}

const EDGES: [u32; 24] = [
    0,
    1,
    2,
    3,
    4,
    5,
    8,
    9,
    16,
    31,
    40,
    0x0fff,
    0x1000,
    0x20_0000,
    0x4000_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xff80_0000,
    0xffe0_0000,
    0xffff_f000,
    0xffff_fff4,
    0xffff_fffc,
    0xffff_fffe,
    0xffff_ffff,
];

/// Values that mean something to the kernel, and some that nearly do.
const WORDS: [&[u8]; 28] = [
    b"\0",
    b"okay\0",
    b"ok\0",
    b"disabled\0",
    b"fail-sss\0",
    b"memory\0",
    b"cpu\0",
    b"arm,pl011\0",
    b"arm,primecell\0arm,pl011\0",
    b"arm,cortex-a7-gic\0",
    b"arm,gic-400\0",
    b"arm,armv7-timer\0",
    b"arm,psci\0",
    b"arm,psci-1.0\0arm,psci\0",
    b"hvc\0",
    b"smc\0",
    b"serial0:115200n8\0",
    b"serial0\0",
    b"/\0",
    b"/chosen\0",
    b"//soc/\0",
    b"mem=16M@0x40000000 mem=0x10000\0",
    b"mem=17E@0xfffff000 mem mem=\0",
    b"vmalloc=4G dma_zone=1 nohighmem\0",
    b"vmalloc=17e dma-zone=0xffffffffffffffff\0",
    b"vmalloc=\"16M mem=1G\" -- nohighmem\0",
    b"vmalloc=\xc3\xa9\xe2\x82\0",
    b"no end",
];

/// Changes `blob` in one place.
pub fn mutate(blob: &mut Vec<u8>, rng: &mut Rng) {
    if rng.below(3) == 0 { blind(blob, rng) } else { structured(blob, &Map::of(blob), rng) }
}

/// Changes `blob` without regard to what it means.
fn blind(blob: &mut Vec<u8>, rng: &mut Rng) {
    if blob.is_empty() {
        return;
    }
    let at = rng.below(blob.len());
    match rng.below(8) {
        0..3 => blob[at] ^= 1 << rng.below(8),
        3 | 4 => blob[at] = rng.below(256) as u8,
        5 => set(blob, at & !3, rng.edge()),
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

/// Changes one thing that `map`, the map of `blob`, shows.
pub fn structured(blob: &mut Vec<u8>, map: &Map, rng: &mut Rng) {
    match rng.below(16) {
        0 => header(blob, rng),
        1 => reservation(blob, rng),
        2..6 => node(blob, map, rng),
        _ => property(blob, map, rng),
    }
}

/// Inserts a `NOP` before one of the tokens of nodes and properties; which one, `place` chooses.
pub fn insert_nop(blob: &mut Vec<u8>, place: usize) {
    let map = Map::of(blob);
    let properties = map.properties.iter().map(|property| property.at);
    let places: Vec<usize> = map.tokens.iter().copied().chain(properties).collect();
    if let Some(at) = places.get(place % places.len().max(1)).copied() {
        splice(blob, at..at, &NOP.to_be_bytes());
    }
}

fn header(blob: &mut [u8], rng: &mut Rng) {
    let (at, edge) = (4 * rng.below(10), rng.edge());
    let near = get(blob, at).unwrap_or_default().wrapping_add(edge);
    set(blob, at, if rng.below(2) == 0 { edge } else { near });
}

/// Changes or adds an entry of the memory reservation block.
fn reservation(blob: &mut Vec<u8>, rng: &mut Rng) {
    let at = word(blob, OFF_RESERVE_MAP);
    if rng.below(2) == 0 {
        set(blob, at.saturating_add(4 * rng.below(8)), rng.edge());
    } else {
        let high = if rng.below(4) == 0 { rng.edge() } else { 0 };
        let entry = [high, rng.edge(), 0, rng.edge()].map(u32::to_be_bytes);
        splice(blob, at..at, entry.as_flattened());
    }
}

/// Changes one node as a whole.
fn node(blob: &mut Vec<u8>, map: &Map, rng: &mut Rng) {
    // The last is the root.
    let below_root = map.nodes.split_last().map(|(_, nodes)| nodes).unwrap_or_default();
    let Some(Node { bytes, inside }) = rng.pick(below_root).cloned() else { return };
    let copy = blob.get(bytes.clone()).unwrap_or_default().to_vec();
    match rng.below(8) {
        // Twice.
        0 | 1 => splice(blob, bytes.end..bytes.end, &copy),
        // Elsewhere as well: before another node, or before its end.
        2 => {
            let to = rng.pick(&map.tokens).copied().unwrap_or(bytes.end);
            splice(blob, to..to, &copy);
        }
        // Deleted, as boot loaders do it, or without a trace.
        3 => bytes.step_by(4).for_each(|at| set(blob, at, NOP)),
        4 => splice(blob, bytes, &[]),
        // Another name.
        5 => {
            let name = bytes.start + 4 + rng.below(inside - bytes.start - 4);
            if let Some(byte) = blob.get_mut(name) {
                *byte = *rng.pick(b"\0@0z/ \xff").unwrap_or(&0);
            }
        }
        // One level deeper, under its own name.
        6 => {
            let head = copy.get(..inside - bytes.start).unwrap_or_default().to_vec();
            let end = 2_u32.to_be_bytes();
            splice(blob, bytes.clone(), &[&head, &copy[..], &end].concat());
        }
        // A token made another.
        _ => {
            let at = rng.pick(&map.tokens).copied().unwrap_or(bytes.start);
            set(blob, at, 1 + rng.below(5) as u32);
        }
    }
}

/// Changes one property.
fn property(blob: &mut Vec<u8>, map: &Map, rng: &mut Rng) {
    let Some(it) = rng.pick(&map.properties).copied() else { return };
    let other = rng.pick(&map.properties).copied().unwrap_or(it);
    let (at, len) = (it.at, it.len);
    match rng.below(16) {
        // A cell of the value.
        0..6 if len >= 4 => {
            let cell = at + 12 + 4 * rng.below(len / 4);
            let old = get(blob, cell).unwrap_or_default();
            let new = match rng.below(5) {
                0 | 1 => rng.edge(),
                2 => old.wrapping_add(rng.edge()),
                3 => old ^ 1 << rng.below(32),
                _ => get(blob, other.at + 12).unwrap_or(old),
            };
            set(blob, cell, new);
        }
        // A byte of the value, of a string perhaps.
        6 if len >= 1 => {
            if let Some(byte) = blob.get_mut(at + 12 + rng.below(len)) {
                *byte = *rng.pick(b"\0/:@\xff0=\" ").unwrap_or(&0);
            }
        }
        // Another value: a word that means something, or another property's.
        7 | 8 => {
            let word = rng.pick(&WORDS).copied().unwrap_or_default().to_vec();
            replace_value(blob, it, &word);
        }
        9 => {
            let value = blob.get(other.value()).unwrap_or_default().to_vec();
            replace_value(blob, it, &value);
        }
        // Another property's name.
        10 => {
            let name = get(blob, other.at + 8).unwrap_or_default();
            set(blob, at + 8, name);
        }
        // The value's length, the structure not following.
        11 => set(blob, at + 4, rng.edge()),
        // The value longer or shorter, by a cell or by itself.
        12 => {
            let mut value = blob.get(it.value()).unwrap_or_default().to_vec();
            match rng.below(3) {
                0 => value.truncate(len.saturating_sub(4)),
                1 => value.extend_from_slice(&rng.edge().to_be_bytes()),
                _ => value.extend_from_within(..),
            }
            replace_value(blob, it, &value);
        }
        // Deleted, as boot loaders do it, or without a trace.
        13 => it.bytes().step_by(4).for_each(|at| set(blob, at, NOP)),
        14 if rng.below(2) == 0 => splice(blob, it.bytes(), &[]),
        14 => splice(blob, at..at, &NOP.to_be_bytes()),
        // Once more, in another node.
        _ => {
            let copy = blob.get(it.bytes()).unwrap_or_default().to_vec();
            let to = rng.pick(&map.nodes).map_or(at, |node| node.inside);
            splice(blob, to..to, &copy);
        }
    }
}

/// Gives a property another value, the structure following.
fn replace_value(blob: &mut Vec<u8>, property: Property, value: &[u8]) {
    let mut padded = value.to_vec();
    padded.resize(value.len().next_multiple_of(4), 0);
    splice(blob, property.at + 12..property.bytes().end, &padded);
    set(blob, property.at + 4, value.len() as u32);
}
