//! Making a table: shorten the names, find the tokens that save most, write it all down.
//!
//! Tokens are found as in byte-pair encoding: 128 times, the pair that occurs most often becomes a
//! token of its own. Their texts are written out in full, so that the reader needs no stack to spell
//! one out and can not run in circles.

use core::fmt;

use mm::addr::VirtRange;

use crate::{FIRST_TOKEN, MAGIC, TOKENS};

/// Names are at most so long; [`shorten`] makes them so.
pub const MAX_NAME_BYTES: usize = 96;

/// A hole that is no longer than this is padding, and counts as part of the function before it.
const PADDING_BYTES: u32 = 16;

/// A function to be found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Function {
    /// Its addresses. A label has no end of its own: give it that of its section.
    pub range: VirtRange,
    /// Its name as it is to print.
    pub name: String,
}

/// Why no table can be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WriteError {
    /// More bytes of names than 32 bits can count.
    TooLarge {
        /// How many.
        bytes: usize,
    },
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes } => write!(f, "{bytes} bytes are too many for a symbol table"),
        }
    }
}

impl std::error::Error for WriteError {}

/// The table of `functions`, in any order. Of several at one address the first one counts. A
/// function that begins within another ends it.
///
/// # Errors
///
/// [`WriteError::TooLarge`].
pub fn write(functions: &[Function]) -> Result<Vec<u8>, WriteError> {
    let entries = entries(functions);
    let mut names: Vec<Vec<u16>> = entries.iter().map(|(_, name)| symbols_of(name)).collect();
    let tokens = train(&mut names);

    let base = entries.first().map_or(0, |&(start, _)| start);
    let mut table = MAGIC.to_vec();
    let name_bytes: usize = names.iter().map(Vec::len).sum();
    // The last entry is the end, and not counted.
    let count = entries.len().saturating_sub(1);
    let token_bytes = tokens.iter().map(Vec::len).sum();
    for value in [base as usize, count, token_bytes, name_bytes] {
        table.extend(number(value)?.to_le_bytes());
    }
    let mut offset = 0;
    for ((start, _), name) in entries.iter().zip(&names) {
        table.extend((start - base).to_le_bytes());
        table.extend(number(offset)?.to_le_bytes());
        offset += name.len();
    }
    if entries.is_empty() {
        table.extend([0; 8]);
    }
    let mut offset = 0;
    for len in tokens.iter().map(Vec::len).chain([0]) {
        let half = u16::try_from(offset).map_err(|_| WriteError::TooLarge { bytes: offset })?;
        table.extend(half.to_le_bytes());
        offset += len;
    }
    table.extend(tokens.iter().flatten());
    // Every symbol is a byte by now: `train` makes no more tokens than there are.
    table.extend(names.iter().flatten().map(|&symbol| symbol as u8));
    Ok(table)
}

fn number(value: usize) -> Result<u32, WriteError> {
    u32::try_from(value).map_err(|_| WriteError::TooLarge { bytes: value })
}

/// `(start, name)` of functions, holes (an empty name) and the end, by address.
fn entries(functions: &[Function]) -> Vec<(u32, String)> {
    let mut sorted: Vec<&Function> = functions.iter().collect();
    // Stable: of several at one address the first stays the first.
    sorted.sort_by_key(|function| function.range.start());
    sorted.dedup_by_key(|function| function.range.start());
    let mut entries = Vec::new();
    for (index, function) in sorted.iter().enumerate() {
        let (start, end) = (function.range.start().as_u32(), function.range.end().as_u32());
        entries.push((start, ascii(&shorten(&function.name))));
        let next = sorted.get(index + 1).map(|next| next.range.start().as_u32());
        if next.is_none_or(|next| end.saturating_add(PADDING_BYTES) < next) {
            entries.push((end, String::new()));
        }
    }
    entries
}

/// A name is printed to a serial line: what is not ASCII is written as its escape.
fn ascii(name: &str) -> String {
    let escape = |c: char| match c {
        ' '..='~' => c.to_string(),
        c => c.escape_unicode().to_string(),
    };
    let name: String = name.chars().map(escape).collect();
    // An empty name would be a hole.
    if name.is_empty() { "?".to_owned() } else { name }
}

fn symbols_of(name: &str) -> Vec<u16> {
    name.bytes().map(u16::from).collect()
}

/// Finds the tokens, replaces them in `names`, and returns their texts.
fn train(names: &mut [Vec<u16>]) -> Vec<Vec<u8>> {
    let symbols = usize::from(FIRST_TOKEN) + TOKENS;
    let mut texts: Vec<Vec<u8>> = (0..FIRST_TOKEN).map(|byte| vec![byte]).collect();
    while texts.len() < symbols {
        let mut counts = vec![0_u32; symbols * symbols];
        for pair in names.iter().flat_map(|name| name.windows(2)) {
            counts[usize::from(pair[0]) * symbols + usize::from(pair[1])] += 1;
        }
        // The first of several that are equal, so that the same kernel makes the same table.
        let best =
            counts.iter().enumerate().max_by_key(|&(at, &count)| (count, symbols * symbols - at));
        let Some((at, _)) = best.filter(|&(_, &count)| count > 1) else { break };
        let (left, right) = (at / symbols, at % symbols);
        let token = texts.len() as u16;
        texts.push([texts[left].as_slice(), texts[right].as_slice()].concat());
        for name in names.iter_mut() {
            replace(name, [left as u16, right as u16], token);
        }
    }
    texts.resize(symbols, Vec::new());
    texts.split_off(usize::from(FIRST_TOKEN))
}

fn replace(name: &mut Vec<u16>, pair: [u16; 2], token: u16) {
    let mut kept = 0;
    let mut at = 0;
    while at < name.len() {
        let is_pair = name.get(at..at + 2) == Some(&pair[..]);
        name[kept] = if is_pair { token } else { name[at] };
        at += if is_pair { 2 } else { 1 };
        kept += 1;
    }
    name.truncate(kept);
}

/// A name of at most [`MAX_NAME_BYTES`]: generic arguments become `<..>`, the innermost first, and if
/// that is not enough the middle is cut out.
#[must_use]
pub fn shorten(name: &str) -> String {
    if name.len() <= MAX_NAME_BYTES {
        return name.to_owned();
    }
    let depth = (0..=deepest(name)).rev().find(|&depth| elide(name, depth).len() <= MAX_NAME_BYTES);
    match depth {
        // At depth 0 the type of `<T as Trait>::method` would go, which says more than the middle.
        Some(depth @ 1..) => elide(name, depth),
        _ => cut(&elide(name, 1)),
    }
}

/// What a character of a name is to its angle brackets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Opening,
    Closing,
    Text,
}

/// The characters of `name`, each with the number of angle brackets it lies in; a bracket lies in
/// itself.
fn parts(name: &str) -> impl Iterator<Item = (char, Part, usize)> {
    let mut depth = 0_usize;
    let mut before = ' ';
    name.chars().map(move |c| {
        // The arrow of a function's type closes nothing.
        let is_arrow = c == '>' && before == '-';
        before = c;
        match c {
            '<' => {
                depth += 1;
                (c, Part::Opening, depth)
            }
            '>' if !is_arrow => {
                let inside = depth;
                depth = depth.saturating_sub(1);
                (c, Part::Closing, inside)
            }
            _ => (c, Part::Text, depth),
        }
    })
}

fn deepest(name: &str) -> usize {
    parts(name).map(|(_, _, depth)| depth).max().unwrap_or(0)
}

/// `name` with `..` for what lies in more than `kept` pairs of angle brackets.
fn elide(name: &str, kept: usize) -> String {
    let mut short = String::new();
    for (c, part, depth) in parts(name) {
        match part {
            _ if depth <= kept => short.push(c),
            Part::Opening if depth == kept + 1 => short.push_str("<.."),
            Part::Closing if depth == kept + 1 => short.push(c),
            _ => {}
        }
    }
    short
}

fn cut(name: &str) -> String {
    if name.len() <= MAX_NAME_BYTES {
        return name.to_owned();
    }
    // The start says where, the end says what.
    let tail_bytes = MAX_NAME_BYTES / 3;
    let mut head = MAX_NAME_BYTES - tail_bytes - 2;
    let mut tail = name.len() - tail_bytes;
    while !name.is_char_boundary(head) {
        head -= 1;
    }
    while !name.is_char_boundary(tail) {
        tail += 1;
    }
    format!("{}..{}", &name[..head], &name[tail..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_lose_their_innermost_arguments_first() {
        let long = "<core::iter::adapters::map::Map<core::iter::adapters::filter::Filter<core::slice\
                    ::Iter<u8>, fn(&u8) -> bool>, kernel::main::{closure#0}> as core::iter::Iterator\
                    >::next";
        assert_eq!(
            shorten(long),
            "<core::iter::adapters::map::Map<..> as core::iter::Iterator>::next"
        );
        let short = "<core::fmt::Arguments as core::fmt::Display>::fmt";
        assert_eq!(shorten(short), short);
        let two = format!("a::<b::<c>, {}>::d::<e::<f>>", "x".repeat(60));
        assert_eq!(shorten(&two), two);
        let three = format!("a::<b::<{}>, y>::d::<e::<f>>", "x".repeat(90));
        assert_eq!(shorten(&three), "a::<b::<..>, y>::d::<e::<..>>");
    }

    #[test]
    fn the_arrow_of_a_function_type_closes_nothing() {
        let name = format!("f::<fn(u8) -> g<{}>>::h", "x".repeat(90));
        assert_eq!(shorten(&name), "f::<fn(u8) -> g<..>>::h");
    }

    #[test]
    fn a_long_path_keeps_its_start_and_its_end() {
        let name = format!("start{}end", "x".repeat(200));
        let short = shorten(&name);
        assert_eq!(short.len(), MAX_NAME_BYTES);
        assert!(short.starts_with("startx") && short.contains("x..x") && short.ends_with("xend"));
        let wide = "ä".repeat(90);
        assert!(shorten(&wide).len() <= MAX_NAME_BYTES);
    }
}
